"""Exporting a registered model: one file, which is kept only where it answers as the original does."""

import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import torch
from torch import Tensor

from pipeline.data.encodings.rows import CATEGORICAL
from pipeline.errors import Failure, UserError
from pipeline.plugins import first_line
from pipeline.serving.export import onnx_file
from pipeline.serving.export.agreement import disagreement
from pipeline.serving.export.examples import ROWS, Example, example
from pipeline.serving.export.program import PREFERENCE, Input, Program
from pipeline.serving.export.traced import cause_of, quiet, traced
from pipeline.serving.open_model import OpenModel, open_network
from pipeline.serving.specification import Specification
from pipeline.tracking.registry import version_of

Answer = Callable[[Path, Mapping[str, Tensor], Mapping[str, list[str]]], Mapping[str, np.ndarray]]
"""What a file answers, by output, to the tensors of a program's inputs, and to the texts that stand for codes."""


class Exported(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        bytes: Its size.
        difference: The largest one between its answers and the original's.
        rows: How many rows of each source were compared.
    """

    path: Path
    bytes: int
    difference: float
    rows: int


class Opened(NamedTuple):
    """A model to export.

    Attributes:
        original: It.
        spec: Its specification.
        program: What is exported.
        examples: Rows to compare it on, by source.
        about: What is said of it in the file.
    """

    original: OpenModel
    spec: Specification
    program: Program
    examples: Mapping[str, Example]
    about: dict[str, str]


def opened(uri: str) -> Opened:
    """Open a model to export.

    Raises:
        UserError: There is no such model.
        Failure: An earlier version wrote it, and this one cannot make its network.
    """
    model, spec, tensors = open_network(uri)
    try:
        program = Program(spec, tensors)
    except (UserError, ValueError, KeyError) as error:
        raise Failure(
            f"{uri} was logged by another version of Headway, whose network this one cannot export: {first_line(error)}"
        ) from error
    examples = {name: example(name, source) for name, source in spec.sources.items()}
    named = {"model": uri, "model_id": str(model.metadata.model_id)}
    if version := version_of(mlflow.MlflowClient(), uri):
        named |= {"name": version.name, "version": str(version.version)}
    return Opened(model, spec, program, examples, named | _about(spec, program))


def write_onnx(model: Opened, path: Path) -> Exported:
    """Write a model as ONNX.

    Raises:
        Failure: A layer cannot be exported, the answers differ, or the file cannot be written.
    """
    names = onnx_file.input_names(model.program)
    made = traced(model.program, lambda program: onnx_file.converted(program, names), onnx_file.converted)
    onnx_file.completed(made, model.program, model.spec, model.about)

    def write(partial: Path) -> None:
        import onnx  # an extra's

        onnx.checker.check_model(made, full_check=True)
        onnx.save(made, partial)

    def answer(partial: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, list[str]]) -> dict[str, np.ndarray]:
        return onnx_file.answers(str(partial), onnx_file.feed_of(model.program.inputs, tensors, texts))

    return _kept(model, path, write, answer)


def write_torch(model: Opened, path: Path) -> Exported:
    """Write a model as a program of torch.export.

    Raises:
        Failure: As in `write_onnx`.
    """
    made = traced(model.program)
    made.graph.eliminate_dead_code()  # torch cannot read back operations that answer nothing

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            torch.export.save(made, file, extra_files=model.about)

    def answer(partial: Path, tensors: Mapping[str, Tensor], _: Any) -> dict[str, np.ndarray]:
        with partial.open("rb") as file:
            found = torch.export.load(file).module()({it.key: tensors[it.name] for it in model.program.inputs})
        return {name: it.numpy() for name, it in found.items()}

    return _kept(model, path, write, answer)


def _kept(model: Opened, path: Path, write: Callable[[Path], None], answer: Answer) -> Exported:
    """Write a file beside its place, compare it with the original, and only then move it there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with quiet():
            write(partial)
            difference = max(_difference(model, partial, answer, rows) for rows in (ROWS, 1))
        size = partial.stat().st_size
        partial.replace(path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}") from None
    except Failure:
        raise
    except Exception as error:  # writers and readers of files raise whatever they meet
        raise Failure(f"{path} cannot be written and read back: {cause_of(error)}; no file was written") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return Exported(path, size, difference, ROWS)


def _difference(model: Opened, partial: Path, answer: Answer, rows: int) -> float:
    """The largest difference on the first rows of each source, and by the model's own preference and another."""
    tensors = {name: it[:rows] for example in model.examples.values() for name, it in example.tensors.items()}
    texts = {name: it[:rows] for example in model.examples.values() for name, it in example.texts.items()}
    asked, found = [dict[str, list[float]]()], list[float]()
    if model.spec.preference:
        tasks = len(model.spec.preference["tasks"])
        asked = [{PREFERENCE: it} for it in (model.spec.preference["shares"], [*range(1, tasks + 1)])]
    for params in asked:
        shares = {
            it.name: torch.tensor(params[PREFERENCE], dtype=torch.float32)
            for it in model.program.inputs
            if it.kind == PREFERENCE
        }
        answers = answer(partial, tensors | shares, texts)
        for name, it in model.examples.items():
            wanted = model.original.predict(it.frame[:rows], params)
            own = {task: about for task, about in model.spec.tasks.items() if about.source == name}
            found += [disagreement(task, about, wanted, answers) for task, about in own.items()]
    return max(found)


def _about(spec: Specification, program: Program) -> dict[str, str]:
    """What a file says of how its model is used: versions as text, all else as JSON."""
    encodings = {name: it.encoding for name, it in spec.sources.items() if it.encoding}
    return {
        "headway_version": importlib.metadata.version("headway"),
        "inputs": json.dumps([_told(it, spec) for it in program.inputs]),
        "tasks": json.dumps({name: it.json() for name, it in spec.tasks.items()}),
        **{f"encoding/{name}": json.dumps(it) for name, it in encodings.items()},
    }


def _told(it: Input, spec: Specification) -> dict[str, Any]:
    told: dict[str, Any] = {"name": it.name, "key": it.key, "kind": it.kind, "shape": [*it.shape]}
    told |= {"source": it.source} if it.source else spec.preference
    return told | ({"values": it.column["values"]} if it.kind == CATEGORICAL and it.column else {})
