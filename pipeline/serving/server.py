"""MLflow's scoring server of one model, in this process: what is wrong in a request is said in one line, status 400.

A table in CSV is read as `headway predict` reads a file, and JSON as it is: the columns of MLflow's signature convert
nothing here.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from shlex import quote
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types.schema import AnyType, ColSpec, Schema

from pipeline.errors import Failure, UserError
from pipeline.printable import printable
from pipeline.serving.open_model import OpenModel

_PATH = "/invocations"
_CSV, _JSON, _PARQUET = "text/csv", "application/json", "application/vnd.apache.parquet"
_OF_MODEL = "Failed to predict data"  # MLflow's words before what a model says is wrong
_DEEP = "the JSON is nested too deeply"
_LONG = 1000  # letters of an example that a terminal shows
_EXAMPLE = "serving_input_example.json"

Scorer = Callable[[bytes], Any]
"""Answers a CSV file's bytes with a frame of predictions; raises UserError."""


def application(model: OpenModel, score: Scorer) -> FastAPI:
    """The server.

    Args:
        model: Whose predictions are answered.
        score: Answers CSV.
    """
    signature = model.metadata.signature
    if signature and signature.inputs:
        columns = Schema([ColSpec(AnyType(), it.name, it.required) for it in signature.inputs.inputs])
        model.metadata.signature = ModelSignature(columns, signature.outputs, signature.params)
    app: FastAPI = scoring_server.init(model)

    @app.middleware("http")
    async def one_line(request: Request, answer: Callable[[Request], Any]) -> Response:
        if request.url.path != _PATH or request.method != "POST":
            return await answer(request)
        kind = request.headers.get("content-type", "")
        try:
            if (name := kind.partition(";")[0].strip().lower()) not in (_CSV, _JSON, _PARQUET):
                raise UserError(f"content type {kind!r}: send {_JSON}, {_CSV} or {_PARQUET}")
            others = [it for it in request.scope["headers"] if it[0] != b"content-type"]
            request.scope["headers"] = [*others, (b"content-type", kind.lower().encode())]  # MLflow minds the case
            body = await request.body()
            if not body.strip():
                raise UserError("the request has no body")
            if name == _CSV:
                return await asyncio.to_thread(_scored, score, body)
            response = await answer(request)
        except UserError as error:
            return _wrong(str(error))
        except RecursionError:
            return _wrong(_DEEP)
        if response.status_code < 400:
            return response
        text = b"".join([part async for part in response.body_iterator]).decode(errors="replace")
        line = await asyncio.to_thread(_line, text, model, body, name)
        return _wrong(line, 400 if response.status_code < 500 else response.status_code)

    return app


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for requests.

    Raises:
        UserError: There is no such address.
        Failure: It is taken, or may not be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except socket.gaierror:
        raise UserError(f"--host {host}: no such address") from None
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise Failure(f"port {port} of {host}: {why}; --port takes another") from None


def exit_on_sigterm() -> None:
    """Let SIGTERM end the process as an exit, which removes the model's folder; uvicorn raises it again at its end."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def run(app: FastAPI, listening: socket.socket) -> None:
    """Answer requests until the process is interrupted."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once all requests are answered
        server.run(sockets=[listening])


def example(model: OpenModel, address: str) -> str:
    """A command that asks for a prediction of the row that the model's package holds as its example.

    Args:
        model: Of Headway's.
        address: Of the server.
    """
    file = model.folder / _EXAMPLE
    text = json.dumps(json.loads(file.read_text(encoding="utf-8")))
    body = f"-d {quote(text)}" if len(text) <= _LONG else f"--data-binary @{quote(str(file))}"
    return f"curl -H 'Content-Type: {_JSON}' {body} {address}{_PATH}"


def _scored(score: Scorer, body: bytes) -> Response:
    written = StringIO()
    scoring_server.predictions_to_json(score(body), written)
    return Response(written.getvalue(), media_type=_JSON)


def _wrong(line: str, status: int = 400) -> Response:
    body = {"error_code": "BAD_REQUEST" if status == 400 else "INTERNAL_ERROR", "message": printable(line)}
    return Response(json.dumps(body), status, media_type=_JSON)


def _line(text: str, model: OpenModel, body: bytes, kind: str) -> str:
    """What an error of MLflow's says, without the data, a stack trace, and advice for earlier versions.

    Args:
        text: Its answer.
        model: Says what is wrong with rows that MLflow could not read.
        body: What it was asked.
        kind: The content type of that.
    """
    with suppress(ValueError, TypeError, KeyError):  # some it answers in plain text
        text = json.loads(text)["message"]
    if text.startswith(_OF_MODEL):
        return text.rpartition("\nError: ")[2]
    said = _of_json(model, body) if kind == _JSON else ""
    return said or text.rpartition("\nError: ")[2].partition("\n")[0].partition(" IMPORTANT: ")[0]


def _of_json(model: OpenModel, body: bytes) -> str:
    """What is wrong with the rows in JSON; empty where nothing is found."""
    try:
        asked = json.loads(body)
        if isinstance(asked, dict) and len(keys := asked.keys() & {"inputs", "instances"}) == 1:
            model.predict(asked[keys.pop()])
    except json.JSONDecodeError as error:
        return f"the body is no JSON: {error}"
    except RecursionError:
        return _DEEP
    except ValueError as error:
        return str(error)
    except Exception:  # of a package of an earlier version
        return ""
    return ""
