"""Served answers are those of `headway predict`, in every form; what is wrong is one line with status 400."""

import asyncio
import json
import os
import shlex
import signal
import threading
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from fastapi import FastAPI
from mlflow.pyfunc import scoring_server

from pipeline.errors import Failure, UserError
from pipeline.serving import server
from pipeline.serving.open_model import open_model
from pipeline.serving.server import application, example, exit_on_sigterm, listen, run
from pipeline.steps.predict import score_csv
from tests.conftest import REPOSITORY
from tests.serving.asked import INPUTS, JSON, Case, Request, as_json, cases, check_same, table

SORTS = ["table", "images", "text", "several"]
Answer = tuple[int, str]


@pytest.fixture(scope="module")
def served(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return cases(client, tmp_path_factory.mktemp("cases"))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's application says in the environment that it is one."""
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "")


def ours(uri: str) -> Any:
    model = open_model(uri)
    return application(model, lambda body: score_csv(model, body))


def mlflows(uri: str) -> Any:
    return scoring_server.init(mlflow.pyfunc.load_model(uri))


def post(app: Any, request: Request) -> Answer:
    """What an application answers in this process."""
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        bodies = iter([{"type": "http.request", "body": request[1], "more_body": False}])

        async def receive() -> dict[str, Any]:
            for body in bodies:
                return body
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"content-type", request[0].encode())] if request[0] else []
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
                 "path": "/invocations", "raw_path": b"/invocations", "query_string": b"", "root_path": "",
                 "scheme": "http", "headers": headers, "client": None, "server": None}  # fmt: skip
        await app(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"], b"".join(it.get("body", b"") for it in sent[1:]).decode()


@pytest.mark.parametrize("sort", SORTS)
def test_headway_serves_what_headway_predicts(served: dict[str, Case], sort: str) -> None:
    app = ours(served[sort].uri)
    for name, (request, expected) in served[sort].right.items():
        status, body = post(app, request)
        assert status == 200, (name, body)
        check_same(body, expected)
    for name, request in {**served[sort].wrong, "no type": ("", b"1"), "other type": ("text/html", b"1")}.items():
        status, body = post(app, request)
        assert status == 400, (name, body)
        told = json.loads(body)
        assert (list(told), told["error_code"], len(body.splitlines())) == (["error_code", "message"], "BAD_REQUEST", 1)
        assert 10 < len(told["message"]) < 400, (name, told)
        assert "\n" not in told["message"], name


@pytest.mark.parametrize("sort", SORTS)
def test_mlflow_serves_what_headway_predicts(served: dict[str, Case], sort: str) -> None:
    app = mlflows(served[sort].uri)
    for name, (request, expected) in served[sort].right.items():
        status, body = post(app, request)
        assert status == 200, (name, body)
        check_same(body, expected)
    for name, request in served[sort].wrong.items():
        status, body = post(app, request)
        assert status == 400, (name, body)
        # MLflow parses CSV itself, before the model is asked.
        assert ("stack_trace" in json.loads(body)) == (name == "csv with abc"), (name, body)


def test_what_is_wrong_is_said_where_it_is(served: dict[str, Case]) -> None:
    app, wrong = ours(served["table"].uri), served["table"].wrong
    said = {name: json.loads(post(app, wrong[name])[1])["message"] for name in (
        "records with abc", "csv with abc", "inputs by row with 1e+39", "split with no date", "no JSON", "no body",
        "records without a column",
    )}  # fmt: skip
    assert said == {
        "records with abc": "row 0 (from 0), column 'a/b': 'abc' is no finite number",
        "csv with abc": "row 1, column 'a/b': 'abc' is no number",
        "inputs by row with 1e+39": "row 0 (from 0), column 'a/b': 1e+39 is no finite number",
        "split with no date": "row 0 (from 0), column 'day': '31.5.2024' is no date: write it as 2024-05-31 or "
        "2024-05-31 12:00:00",
        "no JSON": "the body is no JSON: Expecting value: line 1 column 15 (char 14)",
        "no body": "the request has no body",
        "records without a column": "column 'a/b' is missing: the columns are sepal length (cm), a/b, "
        "it's \"so\", really, floor, yes?, zip code, day, remarks, built\\nin",
    }  # fmt: skip


def said(app: Any, key: str, value: Any) -> str:
    """What is wrong with a request."""
    status, body = post(app, as_json(key, value))
    assert status == 400, body
    return str(json.loads(body)["message"])


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_what_is_no_list_of_rows_is_said_to_be_none(served: dict[str, Case], sort: str, key: str) -> None:
    app = ours(served[sort].uri)
    assert {said(app, key, it) for it in ("one text", 3, None)} == {"the input is no list of rows"}
    assert {said(app, key, []), said(app, key, {}), said(app, "dataframe_records", [])} == {"no rows"}
    uneven = [said(app, key, it) for it in ([[1, 2], [3]], [[[1, 2]], [[1, 2], [3]]])]
    assert uneven == (
        ["row 0 (from 0), column 'text': [1, 2] is no text", "row 0 (from 0), column 'text': [[1, 2]] is no text"]
        if sort == "text"
        else ["row 1 (from 0) has 1 number, row 0 has 2 numbers",
              "row 1 (from 0): its lists are of several lengths, or nested too deeply"]
    )  # fmt: skip


@pytest.mark.parametrize("sort", SORTS)
def test_deep_json_is_one_line(served: dict[str, Case], sort: str) -> None:
    app = ours(served[sort].uri)
    for depth in (70, 500, 5000, 100_000):
        status, body = post(app, (JSON, b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}"))
        line = json.loads(body)["message"]
        assert (status, len(line) < 200) == (400, True), line
        assert depth < 5000 or line == "the JSON is nested too deeply"


def test_a_wrong_value_is_shown_as_it_was_written_and_of_a_long_one_the_beginning(served: dict[str, Case]) -> None:
    app, row = ours(served["table"].uri), {name: column[0] for name, column in table().items() if name in INPUTS}
    told = {
        "day": (20240105, "20240105 is no date: write it as 2024-05-31 or 2024-05-31 12:00:00"),
        "a/b": (10**400, f"1{'0' * 59}... (401 characters) is no finite number"),
        "sepal length (cm)": ("x" * 500, f"'{'x' * 59}... (502 characters) is no finite number"),
    }
    for name, (value, wanted) in told.items():
        for key in ("inputs", "dataframe_records"):
            assert said(app, key, [row | {name: value}]) == f"row 0 (from 0), column '{name}': {wanted}"
    assert said(ours(served["images"].uri), "inputs", [[10**400] * 6]) == "an image has a number that is too large"
    text = said(ours(served["text"].uri), "inputs", [[10**400]])
    assert text == f"row 0 (from 0), column 'text': [1{'0' * 58}... (403 characters) is no text"


def test_content_types_ignore_case_and_parquet_is_one(served: dict[str, Case], tmp_path: Path) -> None:
    app = ours(served["table"].uri)
    for kind in ("csv", "records"):
        (name, body), expected = served["table"].right[kind]
        for written in (name.upper(), f"{name.title()}; Charset=UTF-8"):
            status, answer = post(app, (written, body))
            assert status == 200, answer
            check_same(answer, expected)
    pd.DataFrame({name: table()[name][:40] for name in INPUTS}).to_parquet(tmp_path / "new.parquet")
    status, answer = post(app, ("application/vnd.apache.parquet", (tmp_path / "new.parquet").read_bytes()))
    assert status == 200, answer
    check_same(answer, expected)
    refused = json.loads(post(app, ("text/html", b"1"))[1])["message"]
    assert refused == "content type 'text/html': send application/json, text/csv or application/vnd.apache.parquet"


def test_the_signature_of_a_table_has_numbers_and_text(served: dict[str, Case]) -> None:
    found = mlflow.pyfunc.load_model(served["table"].uri).metadata.get_input_schema()
    types = {it.name: (it.type.name, it.required) for it in found.inputs}
    assert {name for name, it in types.items() if it == ("double", True)} == {"sepal length (cm)", "a/b"}
    assert {it for name, it in types.items() if name not in ("sepal length (cm)", "a/b")} == {("string", True)}


REFUSED = {
    "whole numbers": {"a/b": "int64"},
    "whole numbers with gaps": {"a/b": "Int64"},
    "categories that are numbers": {"floor": "float64"},
    "truth values": {"yes?": "boolean"},
    "pandas' categories": {"zip code": "category"},
    "dates": {"day": "datetime64[us]"},
}


@pytest.mark.parametrize("sort", REFUSED)
def test_what_plain_mlflow_refuses_is_converted_by_the_line_in_the_docs(served: dict[str, Case], sort: str) -> None:
    uri = served["table"].uri
    plain = pd.DataFrame({name: table()[name][:40] for name in INPUTS})
    plain["day"] = pd.Series(["2024-01-05", "1999-12-31", None, "2024-02-29"] * 10)
    model = mlflow.pyfunc.load_model(uri)
    documented = (REPOSITORY / "docs" / "serving.md").read_text()
    (line,) = (it for it in documented.splitlines() if it.startswith("types = "))
    types = eval(line.removeprefix("types = "), {"model": model})
    wanted = open_model(uri).predict(plain)
    pd.testing.assert_frame_equal(model.predict(plain.astype(types)), wanted)
    other = plain.astype(types).astype(REFUSED[sort])
    with pytest.raises(mlflow.MlflowException, match="Can not safely convert"):
        model.predict(other)
    pd.testing.assert_frame_equal(model.predict(other.astype(types)), wanted)
    pd.testing.assert_frame_equal(open_model(uri).predict(other), wanted)


@pytest.mark.parametrize("sort", SORTS)
def test_the_example_is_one_that_the_model_answers(served: dict[str, Case], sort: str) -> None:
    model = open_model(served[sort].uri)
    words = shlex.split(example(model, "http://127.0.0.1:1"))
    assert words[-1] == "http://127.0.0.1:1/invocations"
    status, body = post(ours(served[sort].uri), (JSON, words[words.index("-d") + 1].encode()))
    assert (status, len(json.loads(body)["predictions"])) == (200, 1)


def test_a_long_example_is_a_file_of_the_package(served: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LONG", 10)
    model = open_model(served["images"].uri)
    words = shlex.split(example(model, "http://127.0.0.1:1"))
    body = Path(words[words.index("--data-binary") + 1].removeprefix("@")).read_bytes()
    assert post(ours(served["images"].uri), (JSON, body))[0] == 200


def test_an_address_that_is_taken_or_unknown_is_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            Failure, match=rf"port {port} of 127\.0\.0\.1: address already in use; --port takes another"
        ):
            listen("127.0.0.1", port)
    with pytest.raises(UserError, match=r"--host no\.such\.host\.invalid: no such address"):
        listen("no.such.host.invalid", 0)


def test_sigterm_ends_the_server_as_an_exit_that_leaves_no_folder() -> None:
    def ask_and_end(port: int) -> None:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=60).close()  # waits until it answers
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        exit_on_sigterm()
        with listen("127.0.0.1", 0) as listening:
            threading.Thread(target=ask_and_end, args=[listening.getsockname()[1]]).start()
            with pytest.raises(SystemExit) as end:
                run(FastAPI(), listening)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 128 + signal.SIGTERM
