"""A served model reads texts without `pipeline`, and answers what the network answers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.data.prepared import Prepared
from pipeline.errors import UserError
from pipeline.serving.open_model import described, open_model
from pipeline.steps.predict import predict
from pipeline.steps.register import _objective
from pipeline.training.assess import assess
from pipeline.training.saved import load_network
from tests.data import texts
from tests.serving.packages import SLOTS, log, save

TRUNKS = ({"kind": "lstm"}, {"kind": "transformer", "embedding": 8, "heads": 2})
LONG = " ".join(["Anna saw the"] * 20)
SPACED = "10\u00a0000 \u3000 \x85"
TEXTS = ["Anna saw Bo Li near New York", "", "then we saw Oslo , lovely !", LONG, "Zoë ☃", SPACED]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("data")
    return texts.prepared(texts.small(folder / "raw"), texts.experiment(data={"text": {"length": 16}}), folder / "made")


@pytest.fixture(scope="module", params=TRUNKS, ids=lambda trunk: trunk["kind"])
def served(
    request: pytest.FixtureRequest,
    data: Prepared,
    client: mlflow.MlflowClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path, object]:
    like = texts.experiment(trunk=request.param)
    path = save(tmp_path_factory.mktemp("saved"), like, data, spread=0.5)
    return log(client, path), path, like


def test_answers_are_those_of_the_network(served, data: Prepared) -> None:
    uri, path, like = served
    network, _ = load_network(path, data, like)
    model = open_model(uri).unwrap_python_model()
    for source, tasks in (("names", ["who"]), ("posts", ["mood", "stars"])):
        rows = np.asarray(data.split("validation").inputs[source])
        logits = network.forward({source: torch.from_numpy(rows).float().unsqueeze(0)})
        found = model.answers(source, rows)
        assert {name.partition("/")[0] for name in found} == set(tasks)
        if source == "names":
            assert (
                np.stack(found["who/tags"].to_list()) == logits["who"][0].argmax(-1).view(len(rows), -1).numpy()
            ).all()
        else:
            chance = torch.sigmoid(logits["mood"][0, :, 0]).numpy()
            np.testing.assert_allclose(found["mood/probability/good"], chance, rtol=1e-5, atol=1e-6)
            about = data.tasks["stars"]
            stars = (logits["stars"][0, :, 0] * about.std + about.mean).clip(about.low, about.high)
            np.testing.assert_allclose(found["stars/value"], stars, rtol=1e-5)


def test_the_gate_sees_the_objective_of_training(served, data: Prepared) -> None:
    uri, path, like = served
    network, slots = load_network(path, data, like)
    found = assess(network, data, data.split("validation"))[slots.index(SLOTS[0])]
    wanted = np.mean([found["who/entity_f1"], found["mood/accuracy"], found["stars/r2"]])
    assert _objective(uri, data) == pytest.approx(wanted, abs=1e-6)


def test_texts_are_answered_in_tags_entities_and_classes(served) -> None:
    model = open_model(served[0])
    found = model.predict(pd.DataFrame({"text": TEXTS}))
    assert list(found) == [
        "mood/label", "mood/class", "mood/probability/bad", "mood/probability/good", "stars/value",
        "who/tags", "who/entities",
    ]  # fmt: skip
    for text, tags, said in zip(TEXTS, found["who/tags"], found["who/entities"], strict=True):
        tokens = re.split(" +", text) if text else []
        assert len(tags.split()) == len(tokens)  # also where the text is longer than the network reads
        for entity in json.loads(said):
            assert entity["text"] == " ".join(tokens[entity["start"] : entity["end"]])
            assert tags.split()[entity["start"]][2:] == entity["type"]
    assert len(model.predict(pd.DataFrame({"text": pd.Series([], dtype=object)}))) == 0


def test_a_text_is_answered_the_same_alone(served) -> None:
    model = open_model(served[0]).unwrap_python_model()
    together = model.predict(None, pd.DataFrame({"text": TEXTS}))
    for row in range(len(TEXTS)):
        alone = model.predict(None, pd.DataFrame({"text": TEXTS[row : row + 1]}))
        assert alone["who/tags"][0] == together["who/tags"][row]
        assert alone["stars/value"][0] == pytest.approx(together["stars/value"][row], rel=1e-5)


def test_the_model_says_what_it_reads_without_its_vocabulary(served) -> None:
    about = described(open_model(served[0]))["sources"]["posts"]["encoding"]
    assert "words" not in about
    assert (about["kind"], about["field"]) == ("text", "body")


@pytest.mark.parametrize(
    "frame", [{"text": ["a", None]}, {"text": ["a", "\ud83d!"]}, {"txt": ["a"]}, {"text": ["a"], "more": ["b"]}]
)
def test_what_is_no_text_is_refused(served, frame: dict) -> None:
    with pytest.raises(
        ValueError, match=r"is no text|is missing: the one column is text|is unknown: the one column is text"
    ):
        open_model(served[0]).unwrap_python_model().predict(None, pd.DataFrame(frame, dtype=object))


def test_the_model_loads_where_there_is_no_pipeline(served, tmp_path: Path) -> None:
    folder = mlflow.artifacts.download_artifacts(served[0], dst_path=str(tmp_path))
    code = (
        "import sys; sys.modules['pipeline'] = None\n"
        "import mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({folder!r})\n"
        "print(model.predict(pd.DataFrame({'text': ['Anna saw Oslo']}))['who/tags'][0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 3


@pytest.mark.parametrize("name", ["new.jsonl", "new.csv", "new.parquet", "new.txt", "new.conll"])
def test_every_kind_of_file_is_predicted(served, name: str, tmp_path: Path) -> None:
    said = ["Anna saw Oslo", "we saw Bo Li"]
    path = tmp_path / name
    if name.endswith("jsonl"):
        path.write_text("".join(json.dumps({"id": 1, "body": text}) + "\n" for text in said))
    elif name.endswith("parquet"):
        pd.DataFrame({"body": said}).to_parquet(path)
    elif name.endswith("csv"):
        pd.DataFrame({"text": said, "more": 1}).to_csv(path, index=False)
    else:
        path.write_text("\n\n".join(text.replace(" ", "\n") for text in said) if "conll" in name else "\n".join(said))
    assert predict(served[0], path, tmp_path / "out.parquet") == 2
    wanted = open_model(served[0]).predict(pd.DataFrame({"text": said}))
    assert pd.read_parquet(tmp_path / "out.parquet")["who/tags"].tolist() == wanted["who/tags"].tolist()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("new.jsonl", '{"body": "a"}\n{"body": null}\n', "line 2, field 'body': missing; every row needs its text"),
        ("new.jsonl", '{"other": "a"}\n', "with the text; there are 'other'"),
        ("new.csv", "body,x\na,1\n,2\n", "row 2, field 'body': missing"),
        ("new.txt", b"a\n\xe4\n", "line 2 is not UTF-8"),
        ("new.doc", "a", "texts are read from .jsonl"),
        ("new.jsonl", "", "is empty"),
    ],
)
def test_what_is_wrong_with_a_file_to_predict_is_one_line(
    served, name: str, content: str | bytes, line: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        predict(served[0], tmp_path / name, tmp_path / "out.csv")
    assert line in str(error.value)
    assert not list(tmp_path.glob("*out.csv*"))
