"""How whole jobs grow with tasks, classes, columns, rows and trials: `headway run` on made-up tables.

Networks are tiny. All but the axis of trials compare as written (`tuning: null`), two seeds, ten epochs. Costs are user
CPU seconds, as they are and divided by those of `python -c "import torch, mlflow"` in the same round, and the most
anonymous memory (RssAnon) of all processes together.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.project import environment
from benchmarks.growth.point import anonymous

_SAMPLED_EVERY_S = 0.1
_IMPORTS = [sys.executable, "-c", "import torch, mlflow"]
_NETWORK = {"model": {"trunk": {"widths": [16]}}, "slots": 4, "processes": 1, "device": "cpu"}
_TRAINING = {"epochs": 10, "seeds": 2}
_WRITTEN = _NETWORK | {"tuning": None, "training": _TRAINING}
_TUNED = _NETWORK | {"training": _TRAINING, "baselines": {"single": False}}


@dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes:
        sizes: At which it is measured.
        quick: The same, to see that it works.
        made: The table and the experiment of a size.
    """

    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    made: Callable[[int], tuple[pd.DataFrame, Mapping[str, Any]]]


def _of_tasks(count: int) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    inputs, draws = _inputs(1_000, 10)
    labels = {f"y{place}": (inputs @ draws.normal(size=10) > 0).astype(int) for place in range(count)}
    return _table(inputs, labels), _WRITTEN | _asked(inputs, dict.fromkeys(labels, "binary"))


def _of_classes(count: int) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    inputs, draws = _inputs(20_000, 10)
    ranks = (inputs @ draws.normal(size=10)).argsort().argsort()
    labels = {"y": ranks * count // len(ranks), "z": (inputs @ draws.normal(size=10) > 0).astype(int)}
    return _table(inputs, labels), _WRITTEN | _asked(inputs, {"y": "multiclass", "z": "binary"})


def _of_columns(count: int) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    inputs, draws = _inputs(1_000, count)
    return _two_tasks(inputs, draws, _WRITTEN)


def _of_rows(count: int) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    inputs, draws = _inputs(count, 10)
    size = 64 if count < 20_000 else 256 if count < 200_000 else 1024  # as `headway init` drafts them
    return _two_tasks(inputs, draws, _WRITTEN | {"training": {**_TRAINING, "batch_size": size}})


def _of_trials(count: int) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    inputs, draws = _inputs(1_000, 10)
    return _two_tasks(inputs, draws, _TUNED | {"tuning": {"trials": count, "replicates": 2, "batch": 16}})


AXES: Mapping[str, Axis] = {
    "tasks": Axis((2, 10, 50, 200), (2, 3), _of_tasks),
    "classes": Axis((10, 100, 1_000, 20_000), (10, 20), _of_classes),
    "columns": Axis((10, 100, 1_000, 10_000), (10, 20), _of_columns),
    "rows": Axis((10_000, 100_000, 1_000_000), (400, 800), _of_rows),
    "trials": Axis((32, 500, 2_000), (4, 6), _of_trials),
}


def grown(repeats: int, quick: bool, only: str) -> Iterator[dict[str, Any]]:
    """Every size of all axes that have this in their names, a row a turn, smallest first."""
    for repeat in range(repeats):
        for name, axis in AXES.items():
            for size in (axis.quick if quick else axis.sizes) if only in name else ():
                yield {"repeat": repeat, "axis": name, "size": size, **measure(axis, size)}


def bookkeeping(sizes: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """User CPU seconds a trial that are not training: what a study's trials cost, less as many networks by themselves.

    Both are slopes above the first of the sizes, so that what is fixed plays no part.
    """
    spent: dict[str, list[float]] = {"tune": [], "train": []}
    for place, size in enumerate(sizes):
        for command, settings in (("tune", {}), ("train", {"training.seeds": size})):
            with TemporaryDirectory() as folder:
                _written(Path(folder), *AXES["trials"].made(size))
                spent[command].append(_watched(_headway(command, settings), Path(folder))[0])
        if place:
            slopes = {name: (its[-1] - its[0]) / (size - sizes[0]) for name, its in spent.items()}
            yield {"trials": size, **slopes, "bookkeeping": slopes["tune"] - slopes["train"]}


def measure(axis: Axis, size: int) -> dict[str, Any]:
    """What a job costs.

    Returns:
        user_s, imports (user_s divided by what importing costs), memory_mib, report_mb.

    Raises:
        RuntimeError: The command failed.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        _written(folder, *axis.made(size))
        imports, _ = _watched(_IMPORTS, folder)
        user_s, memory = _watched(_headway("run", {}), folder)
        reports = [it.stat().st_size for it in (folder / ".headway").rglob("*.html")]
        return {"user_s": user_s, "imports": user_s / imports, "memory_mib": memory / 2**20,
                "report_mb": max(reports) / 1e6}  # fmt: skip


def _written(folder: Path, table: pd.DataFrame, experiment: Mapping[str, Any]) -> None:
    """A project with the experiment `grown`."""
    (folder / "experiments").mkdir()
    (folder / "MLproject").touch()
    table.to_csv(folder / "rows.csv", index=False)
    (folder / "experiments" / "grown.yaml").write_text(json.dumps(experiment))  # JSON is YAML


def _headway(command: str, settings: Mapping[str, Any]) -> list[str]:
    """`headway COMMAND grown` with these values."""
    values = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "pipeline", command, "grown", "--quiet", *values]


def _watched(words: list[str], folder: Path) -> tuple[float, int]:
    """User CPU seconds of a command, and the most anonymous memory of it and its children."""
    before, peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, 0
    with subprocess.Popen(words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:  # fmt: skip
        while process.poll() is None:
            peak = max(peak, sum(anonymous(it) for it in _family(process.pid)))
            time.sleep(_SAMPLED_EVERY_S)
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{said}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, peak


def _family(pid: int) -> Iterator[int]:
    """A process and all that it began."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _inputs(rows: int, columns: int) -> tuple[np.ndarray, np.random.Generator]:
    draws = np.random.default_rng(0)
    return draws.normal(size=(rows, columns)).astype(np.float32).round(3), draws


def _two_tasks(
    inputs: np.ndarray, draws: np.random.Generator, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    answers = [inputs @ draws.normal(size=inputs.shape[1]) + draws.normal(size=len(inputs)) for _ in range(2)]
    labels = {"y": (answers[0] > 0).astype(int), "z": answers[1].round(3)}
    return _table(inputs, labels), settings | _asked(inputs, {"y": "binary", "z": "regression"})


def _table(inputs: np.ndarray, labels: Mapping[str, Any]) -> pd.DataFrame:
    columns = pd.DataFrame(inputs, columns=[f"x{place}" for place in range(inputs.shape[1])])
    return pd.concat([columns, pd.DataFrame(dict(labels))], axis=1)


def _asked(inputs: np.ndarray, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Source and tasks of an experiment."""
    columns = {f"x{place}": "numeric" for place in range(inputs.shape[1])}
    return {
        "sources": {"rows": {"kind": "table", "path": "rows.csv", "inputs": columns}},
        "tasks": {name: {"kind": kind, "source": "rows"} for name, kind in kinds.items()},
    }
