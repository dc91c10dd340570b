"""Arms of a comparison that differ by chance alone, held against each other as `headway compare` does.

All have equal weights, and each has a seed of the experiment of its own. They share the data of the first, as the arms
of a comparison do; every repeat splits the data anew.

Shapes: K seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.project import REPOSITORY
from pipeline.analysis import tables
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import Scores, TaskScores, draw_together
from pipeline.analysis.scores import score_network
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.analysis.statistics.differences import changes
from pipeline.config import Experiment, load
from pipeline.config.compare import EQUAL
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.data.test_split import open_test_split
from pipeline.studies.compare.comparison import REFERENCES
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.saved import load_network, save
from pipeline.training.slot import SlotState, seed_slots, slots_of
from pipeline.training.stack.stack import Stack

ARMS = 9
"""Equal weights, and as many arms as `headway compare` holds against them by default."""

SEEDS = 5
"""Of each arm, the default of `headway compare`."""

_FIRST_SEED = 1000

Arms = dict[int, list[Scores]]
"""The scores of arms on test, by the number of their seeds."""


def trained(repeat: int, values: Mapping[str, Any]) -> Arms:
    """Train a repeat's networks: `ARMS` arms of `SEEDS` seeds, of which the first four are also two of twice as many.

    Args:
        repeat: Its number, from 0; no two share a seed.
        values: Dotted keys to set over the experiment `digits`.
    """
    settle()
    experiments = [_experiment(repeat, arm, values) for arm in range(ARMS)]
    with TemporaryDirectory() as name:
        prepared = _prepared(experiments[0], Path(name))
        few = _states(prepared, experiments)
        score = partial(_scores, prepared, experiments[0])
        more = [few[0] + few[1], few[2] + few[3]]
        return {SEEDS: [score(arm) for arm in few], 2 * SEEDS: [score(arm) for arm in more]}


def judged(arms: Sequence[Scores]) -> pd.DataFrame:
    """What `headway compare` says of arms against the first of them, see `pipeline.analysis.statistics.contrasts`."""
    scores = {EQUAL: arms[0], **{f"arm {number}": it for number, it in enumerate(arms[1:], 1)}}
    pairs = [(name, EQUAL) for name in scores if name != EQUAL]
    draw_together(it for own in scores.values() for it in own.values())
    told = {it.name: pd.DataFrame() for it in fields(Evaluation)}
    told["differences"] = tables.differences_table(scores, pairs)
    told["delta_m"] = tables.delta_m_table(scores, pairs, ())
    return contrasts(Evaluation(**told), REFERENCES)


def paired(scores: Scores, against: Scores) -> np.ndarray:
    """Delta-m of an arm against another, seed by seed, in percent [K]."""
    return changes(scores, against)


def planted(scores: Scores, against: Scores, percent: float) -> Scores:
    """The scores of an arm that is better by so much than it is: in delta-m, for every seed, whatever rows are drawn.

    In every task it is right more often by this share of how often the other arm is right.
    """
    return {task: _better(it, against[task], percent / 100.0) for task, it in scores.items()}


def _better(scores: TaskScores, against: TaskScores, share: float) -> TaskScores:
    assert scores.primary == "accuracy"
    columns = scores.columns.copy()
    columns[:, 1] += share * against.columns[:, 1]
    accuracy = scores.metrics["accuracy"] + share * against.metrics["accuracy"]
    return replace(scores, columns=columns, metrics={**scores.metrics, "accuracy": accuracy})


def _experiment(repeat: int, arm: int, values: Mapping[str, Any]) -> Experiment:
    seed = _FIRST_SEED + ARMS * repeat + arm
    return load("digits", {"data.test": 0.2, "training.seeds": SEEDS, **values, "seed": seed}, REPOSITORY)


def _prepared(experiment: Experiment, folder: Path) -> Prepared:
    place = Place(variant=experiment.data.variant, shipped=folder, root=None, downloads=folder)
    prepare(experiment, place, folder, lambda _: None)
    return open_prepared(folder)


def _states(prepared: Prepared, experiments: Sequence[Experiment]) -> list[list[SlotState]]:
    """The networks of each arm, trained side by side."""
    own = [
        [replace(it, name=f"{arm}/{it.name}") for it in seed_slots(one, prepared)]
        for arm, one in enumerate(experiments)
    ]
    stack = Stack(prepared, [slot for slots in own for slot in slots])
    while stack.running:
        advance(stack)
    found = {state.name: state for state in stack.states()}
    return [[found[slot.name] for slot in slots] for slots in own]


def _scores(prepared: Prepared, experiment: Experiment, states: Sequence[SlotState]) -> Scores:
    """Of an arm's networks on test, by way of the file that a training leaves."""
    (path,) = save(prepared.folder, prepared, slots_of([experiment] * len(states), prepared), states)
    network, _ = load_network(path, prepared, experiment)
    return score_network(network, prepared, open_test_split(prepared).rows)
