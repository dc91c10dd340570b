"""The evaluation: everything that is found when the test split is opened once for all frozen candidates."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.candidate import SINGLE, Candidate, Role
from pipeline.analysis.curves import curves_table
from pipeline.analysis.hypervolume import estimated
from pipeline.analysis.metrics import Scores, draw_together
from pipeline.analysis.pooled import Tested
from pipeline.analysis.settings import compared_all, differs_in
from pipeline.analysis.statistics.unfinished import finished_table
from pipeline.store_keys import keys_of

_FOR_PEOPLE = ("candidates", "scores", "differences", "delta_m", "gaps", "costs", "gates", "front", "finished")

_ENDS = ("", "_ci_low", "_ci_high")


@dataclass(frozen=True)
class Evaluation:
    """What was found, as tables; `candidate` is a title, or `single-task` for those baselines together.

    Attributes:
        candidates: candidate, role, differs (from the default, in words).
        settings: candidate, key, value_json: what each was trained with; a list where its networks differ.
        scores: On test, a row a candidate, task and metric.
        seeds: The same a seed.
        differences: Paired: all minus single-task, tuned minus default, default minus separate, and all minus those
            that the caller names.
        delta_m: In percent, against single-task and those that the caller names.
        gaps: Training minus validation, in each task's primary metric.
        costs: parameters, latency_ms, rows_per_second; of the times also the spread, see `pipeline.analysis.cost`.
        confusions: Counts over all seeds, of the tasks that have classes.
        curves: Of training.
        references: As `scores`, of methods without a network; `candidate` is what the method is called.
        constants: task, answer: what the constant prediction answers.
        constant_differences: As `differences`, of all against the constant prediction.
        finished: Whether each arm was trained to its end, see `pipeline.analysis.statistics.unfinished`.
        gates: How tasks share experts or columns, see `pipeline.analysis.gates`.
        front: What networks that are given a preference answer to several, see `pipeline.analysis.front`.
    """

    candidates: pd.DataFrame
    settings: pd.DataFrame
    scores: pd.DataFrame
    seeds: pd.DataFrame
    differences: pd.DataFrame
    delta_m: pd.DataFrame
    gaps: pd.DataFrame
    costs: pd.DataFrame
    confusions: pd.DataFrame
    curves: pd.DataFrame
    references: pd.DataFrame = field(default_factory=lambda: tables.scores_table({}))
    constants: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=tables.CONSTANTS))
    constant_differences: pd.DataFrame = field(default_factory=lambda: tables.constant_differences_table({}, {}))
    finished: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=tables.FINISHED))
    gates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=tables.GATES))
    front: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=tables.FRONT))

    def metrics(self, candidate: str, tasks: Sequence[str]) -> dict[str, float]:
        """A candidate's `test/task/metric` with `_ci_low` and `_ci_high`, and `test/all/delta_m_percent`.

        A metric of a label may stand under a key, see `metric_names`. Of a front of two tasks also
        `validation/all/hypervolume`.

        Args:
            candidate: As in the tables.
            tasks: Those to answer for: all, or the one of a single-task baseline.
        """
        found: dict[str, float] = {}
        every = self._every_score
        for row in every[every["candidate"] == candidate].to_dict("records"):
            if row["task"] in tasks:
                found |= _with_interval(self._keys[f"test/{row['task']}/{row['metric']}"], row)
        against_single = self.delta_m[self.delta_m["against"] == SINGLE]
        for row in against_single[against_single["candidate"] == candidate].to_dict("records"):
            found |= _with_interval("test/all/delta_m_percent", row)
        if area := estimated(self.front, candidate):
            interval = area.interval()
            own = {"mean": area.mean, "low": interval.low, "high": interval.high}
            found |= _with_interval("validation/all/hypervolume", own)
        return found

    @property
    def metric_names(self) -> dict[str, str]:
        """By key the name of each metric that MLflow does not take as it is."""
        return {key + end: name + end for name, key in self._keys.items() if key != name for end in _ENDS}

    @cached_property
    def _every_score(self) -> pd.DataFrame:
        return pd.concat([it for it in (self.scores, self.references) if len(it)])

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The key of each metric."""
        pairs = self._every_score[["task", "metric"]].drop_duplicates().itertuples(index=False)
        return keys_of((f"test/{task}/{metric}" for task, metric in pairs), _ENDS, of_labels=True)

    def save(self, folder: Path) -> None:
        """Write every table as `<name>.csv`, and those that people read as `<name>.html` too."""
        for name, table in self._tables().items():
            tables.write(table, folder / f"{name}.csv")
        for name in _FOR_PEOPLE:
            tables.write_html(getattr(self, name), folder / f"{name}.html", name)

    @classmethod
    def load(cls, folder: Path) -> "Evaluation":
        """Read what `save` wrote."""
        return cls(**{it.name: tables.read(folder / f"{it.name}.csv") for it in fields(cls)})

    def called(self, titles: Mapping[str, str]) -> "Evaluation":
        """The same with other names of tasks, as people call them."""
        tables = {name: table for name, table in self._tables().items() if "task" in table}
        return replace(self, **{name: it.assign(task=it["task"].replace(titles)) for name, it in tables.items()})

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {it.name: getattr(self, it.name) for it in fields(self)}


def evaluate(
    candidates: Sequence[Candidate],
    test: Tested,
    report: Callable[[str], None] = lambda line: None,
    references: Mapping[str, Scores] = MappingProxyType({}),
    constants: Mapping[str, str] = MappingProxyType({}),
    against: Sequence[str] = (),
) -> Evaluation:
    """Evaluate all candidates on the same rows.

    Args:
        candidates: One default, and any single-task baselines (all tasks or none), separate and tuned; or the arms of a
            comparison; or networks of groups of tasks. `differs` is what each differs in from the first that is no
            single-task baseline.
        test: The opened test split of all tasks: of all replicates together, where every row tests.
        report: Takes a line about what is being done.
        references: Scores of methods without a network, see `pipeline.analysis.reference`; under
            `pipeline.analysis.candidate.CONSTANT` those of the constant prediction.
        constants: What that answers, by task.
        against: Names that all others are held against, beside the single-task networks.
    """
    # Late: they import torch, and whoever reads an evaluation has no need of it.
    from pipeline.analysis.cost import costs
    from pipeline.analysis.front import front
    from pipeline.analysis.gap import gaps
    from pipeline.analysis.gates import gates
    from pipeline.analysis.scores import score

    default = next(candidate for candidate in candidates if candidate.role != "single")
    groups: dict[str, list[Candidate]] = {}
    scores: dict[str, Scores] = {}
    measured: dict[str, dict] = {}
    for candidate in candidates:
        report(f"scoring {candidate.title}")
        scored, gap = score(candidate, test), gaps(candidate)
        for name in candidate.groups:
            groups.setdefault(name, []).append(candidate)
            scores.setdefault(name, {}).update(scored)
            measured.setdefault(name, {}).update(gap)
    scores = {name: _in_order(it, default) for name, it in scores.items()}
    measured = {name: _in_order(it, default) for name, it in measured.items()}
    draw_together(it for own in (*scores.values(), *references.values()) for it in own.values())
    report("measuring costs")
    names = [name for name in groups if name != SINGLE]
    more = [(name, other) for name in names for other in against if other in names and other != name]
    tuned = [name for name, its in groups.items() if all(it.is_tuned for it in its)]
    metrics = {name: task.primary for name, task in default.prepared.tasks.items()}
    shared = [candidate for candidate in candidates if candidate.role != "single"]
    return Evaluation(
        candidates=_candidates(default, groups),
        settings=_settings(groups),
        scores=tables.scores_table(scores),
        seeds=tables.seeds_table(scores),
        differences=tables.differences_table(scores, _pairs(groups) + more),
        delta_m=tables.delta_m_table(scores, [(name, SINGLE) for name in scores] + more, tuned),
        gaps=tables.gaps_table(measured),
        costs=pd.DataFrame([{"candidate": name} | asdict(cost) for name, cost in costs(groups).items()]),
        confusions=tables.confusions_table(scores),
        curves=curves_table(candidates),
        references=tables.scores_table(references),
        constants=pd.DataFrame(list(constants.items()), columns=tables.CONSTANTS),
        constant_differences=tables.constant_differences_table(scores, references),
        finished=finished_table(candidates),
        gates=tables.gates_table({it.title: gates(it) for it in shared}),
        front=tables.front_table({it.title: front(it) for it in shared}, metrics),
    )


def _pairs(groups: dict[str, list[Candidate]]) -> list[tuple[str, str]]:
    """Who is held against whom: all against single-task, tuned against default, default against separate."""
    role = {name: _role(name, its) for name, its in groups.items()}
    wanted = [(name, "single") for name in groups if role[name] != "single"]
    wanted += [(name, "default") for name in groups if role[name] == "tuned"]
    wanted += [(name, "separate") for name in groups if role[name] == "default"]
    return [(name, other) for name, against in wanted for other in groups if role[other] == against]


def _role(name: str, candidates: Sequence[Candidate]) -> Role:
    """What a name stands for; the networks of a grouping may be single-task ones, too."""
    return "single" if name == SINGLE else next((it.role for it in candidates if it.role != "single"), "group")


def _in_order(found: Mapping[str, Any], default: Candidate) -> dict[str, Any]:
    """What is known by task, in the experiment's order."""
    return {task: found[task] for task in default.experiment.tasks if task in found}


def _candidates(default: Candidate, groups: dict[str, list[Candidate]]) -> pd.DataFrame:
    rows = []
    for name, its in groups.items():
        role = _role(name, its)
        told = {"single": "one network a task", "group": f"{len(its)} networks" if len(its) > 1 else "one network"}
        differs = told.get(role) or differs_in(default.experiment, *its[0].experiments)
        rows.append({"candidate": name, "role": role, "differs": differs})
    return pd.DataFrame(rows, columns=["candidate", "role", "differs"])


def _settings(groups: dict[str, list[Candidate]]) -> pd.DataFrame:
    rows = [
        {"candidate": name, "key": key, "value_json": json.dumps(value)}
        for name, (first, *_) in groups.items()
        for key, value in compared_all(first.experiments).items()
    ]
    return pd.DataFrame(rows, columns=["candidate", "key", "value_json"])


def _with_interval(key: str, row: dict) -> dict[str, float]:
    """A mean and, where there is an interval, its ends; what is not a number is left out."""
    values = {f"{key}{end}": row[name] for end, name in zip(_ENDS, ("mean", "low", "high"), strict=True)}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
