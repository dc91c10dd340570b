"""Small scores, candidates and evaluations for these tests."""

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pipeline.analysis import tables
from pipeline.analysis.candidate import SINGLE, Candidate, Role
from pipeline.analysis.curves import COLUMNS
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import Scores, TaskScores
from pipeline.analysis.statistics.intervals import Estimate
from pipeline.config import Experiment
from pipeline.config.affinity import TOGETHER
from pipeline.config.compare import EQUAL, TUNED
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.reports import ReportData
from pipeline.reports.figures.figure import Figure
from pipeline.steps.runs.curves import history
from pipeline.training.loop import advance
from pipeline.training.saved import save
from pipeline.training.slot import seed_slots
from pipeline.training.stack.stack import Stack

CLASSES = ("left", "right")


def task_scores(
    correct: Any, labelled: Any = None, source: str = "rows", groups: Any = None, **metrics: Sequence[float]
) -> TaskScores:
    """Scores of a task from which rows were right, [K, N]; more metrics are given as they are."""
    correct = np.asarray(correct, dtype=bool)
    labelled = np.ones(correct.shape[1], dtype=bool) if labelled is None else np.asarray(labelled, dtype=bool)
    all_metrics = {"accuracy": correct[:, labelled].mean(1)} | {name: np.array(it) for name, it in metrics.items()}
    right = int(correct.sum())
    confusion = np.array([[0, 0, right], [0, 1, correct.size - right]])
    columns = np.stack([labelled, correct.mean(0) * labelled], 1).astype(np.float64)
    return TaskScores(source, "accuracy", all_metrics, labelled, columns, confusion, CLASSES, groups=groups)


def square(confusions: np.ndarray | None, count: int) -> np.ndarray:
    """The confusion matrix [C, C] whose cells these are."""
    assert confusions is not None
    found = np.zeros((count, count), np.int64)
    found[confusions[:, 0], confusions[:, 1]] = confusions[:, 2]
    return found


def unpacked(page: str, name: str) -> str:
    """What a page holds in packed form: `plotly`, or `figures` as JSON."""
    (packed,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return gzip.decompress(base64.b64decode(packed)).decode()


def by_plotly(figure: Figure | None) -> go.Figure:
    """A figure as Plotly reads it, which checks every value; what it would write of it is what is in the page."""
    assert figure is not None
    whole = json.loads(figure.to_json())
    read = go.Figure(whole)
    assert json.loads(read.to_json()) == whole
    return read


def drawn(accuracy: float, seeds: int = 5, rows: int = 400, seed: int = 0, source: str = "rows") -> TaskScores:
    """Scores of a task whose rows are right with a probability, and three tenths of them whatever the seed."""
    draws = np.random.default_rng(seed)
    easy = draws.random(rows) < 0.3
    return task_scores(easy | (draws.random((seeds, rows)) < (accuracy - 0.3) / 0.7), source=source)


def evaluation(groups: Mapping[str, tuple[Role, Scores]], settings: Mapping[str, Any] | None = None) -> Evaluation:
    """An evaluation of made-up scores, by candidate."""
    scores = {name: it for name, (_, it) in groups.items()}
    tuned = [name for name, (role, _) in groups.items() if role == "tuned"]
    pairs = [(name, SINGLE) for name in groups if name != SINGLE and SINGLE in groups]
    pairs += [(name, "default") for name in tuned]
    arms = [name for name, (role, _) in groups.items() if role == "arm"]
    pairs += [(name, it) for name in arms for it in (EQUAL, TUNED) if it in arms and it != name]
    grouped = [name for name, (role, _) in groups.items() if role == "group"]
    pairs += [(name, TOGETHER) for name in grouped if TOGETHER in grouped and name != TOGETHER]
    keys = {"model.sharing.kind": "shared", "training.learning_rate": 0.001} | dict(settings or {})
    estimate: dict[str, Any] = {
        name: Estimate.of(value, (), (), 1) for name, value in (("train", 0.9), ("validation", 0.8), ("gap", 0.1))
    }
    estimate["metric"] = "accuracy"
    tasks = list(next(iter(scores.values())))
    return Evaluation(
        candidates=pd.DataFrame(
            [{"candidate": name, "role": role, "differs": ""} for name, (role, _) in groups.items()]
        ),
        settings=pd.DataFrame(
            [
                {"candidate": name, "key": key, "value_json": json.dumps(it)}
                for name in groups
                for key, it in keys.items()
            ]
        ),
        scores=tables.scores_table(scores),
        seeds=tables.seeds_table(scores),
        differences=tables.differences_table(scores, pairs),
        delta_m=tables.delta_m_table(scores, [it for it in pairs if it[1] != "default"], tuned),
        gaps=tables.gaps_table({name: dict.fromkeys(tasks, estimate) for name in groups}),
        costs=pd.DataFrame(
            [
                {
                    "candidate": name,
                    "parameters": 10,
                    "latency_ms": 0.1,
                    "latency_low_ms": 0.09,
                    "latency_high_ms": 0.12,
                    "rows_per_second": 1e5,
                    "rows_per_second_low": 9e4,
                    "rows_per_second_high": 1.1e5,
                }
                for name in groups
            ]
        ),
        confusions=tables.confusions_table(scores),
        curves=pd.DataFrame(
            [
                [name, "validation", task, "accuracy", epoch, 10 * epoch, 0.8, 0.7, 0.9, 5, epoch == 2]
                for name in groups
                for task in tasks
                for epoch in (1, 2)
            ],
            columns=COLUMNS,
        ),
    )


def report_data(default: Mapping[str, float], single: Mapping[str, float], seeds: int = 5, **more: Any) -> ReportData:
    """A report on a shared network, the champion, and its baselines of these accuracies by task."""
    groups: dict[str, tuple[Role, Scores]] = {}
    for name, role, accuracy in (("default", "default", default), (SINGLE, "single", single)):
        if accuracy:
            groups[name] = (role, {task: drawn(it, seeds, source=task) for task, it in accuracy.items()})  # type: ignore[assignment]
    return ReportData(name="made", evaluation=evaluation(groups), **{"champion": "default", **more})


def experiment(**more: Any) -> Experiment:
    """Three small tasks, two of them on one source."""
    values: dict[str, Any] = {
        "name": "made",
        "tasks": {
            "side": {"kind": "multiclass", "source": "a"},
            "odd": {"kind": "binary", "source": "a"},
            "far": {"kind": "multiclass", "source": "b"},
        },
        "model": {"trunk": {"widths": [6], "dropout": 0.1}},
        "training": {"epochs": 2, "seeds": 2, "batch_size": 32},
    }
    return Experiment.model_validate(values | more)


def prepared(folder: Path) -> Prepared:
    """Arrays for `experiment`; every tenth label of `odd` is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    rows = {"train": 120, "validation": 60, "test": 80}
    for split, count in rows.items():
        for source, names in (("a", ("side", "odd")), ("b", ("far",))):
            inputs = draws.integers(0, 256, (count, 5), dtype=np.uint8)
            np.save(folder / f"{source}.{split}.inputs.npy", inputs)
            for name in names:
                labels = (inputs[:, 0] > 128).astype(np.int64) + (inputs[:, 1] > 200) * (name != "odd")
                if name == "odd":
                    labels[::10] = -1
                np.save(folder / f"{name}.{split}.labels.npy", labels)
    return Prepared(
        folder,
        {name: PreparedSource((5,), 255.0, rows) for name in ("a", "b")},
        {
            "side": PreparedTask("multiclass", "a", ("x", "y", "z")),
            "odd": PreparedTask("binary", "a", ("even", "odd")),
            "far": PreparedTask("multiclass", "b", ("x", "y", "z")),
        },
    )


def candidate(
    folder: Path, prepared: Prepared, settings: Experiment, role: Role = "default", task: str | None = None
) -> Candidate:
    """A candidate that was really trained, for two epochs."""
    seen = prepared.only((task,) if task else settings.tasks)
    title = f"{role} {task}" if task else role
    mine = settings.model_copy(update={"tasks": {task: settings.tasks[task]}}) if task else settings
    slots = seed_slots(mine, seen)
    stack = Stack(seen, slots)
    while stack.running:
        advance(stack)
    states = sorted(stack.states(), key=lambda state: state.name)
    place = folder / title.replace(" ", "_")
    place.mkdir(parents=True)
    save(place, seen, slots, states)
    history(states).to_parquet(place / "history.parquet")
    return Candidate(title, role, (mine,) * len(states), seen, place, place / "history.parquet", task)
