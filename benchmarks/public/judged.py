"""What is asked of the answers on public data, fixed before the first run; and the tables that are printed."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.public.recipes import AS_DRAFTED, DEFAULTS, LONGER, LOOP, SPLITS, WITHOUT
from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.config.compare import TUNED

CLAIMS = ("helps", "hurts", "mixed")
FAILED = "failed"
"""Stands where a decision would: the job ended with an error, which is said under `tasks`."""

Check = tuple[str, bool]

_BELOW_BOOSTING, _BELOW_LOOP, _APART = 0.015, 0.007, 0.015
_CUT, _PRICE = 0.790, 0.975


def answers(jobs: pd.DataFrame) -> pd.DataFrame:
    """Decision and delta-m of every table under every recipe, at seed 0."""
    own = jobs[(jobs["seed"] == 0) & jobs["decision"].notna()]
    shown = (
        own["decision"]
        + own["delta_m"].map(" {:+.2f}".format).replace(" +nan", "")
        + np.where(own["unfinished"].isna(), "", " *")
    )
    return own.assign(shown=shown).pivot_table("shown", "table", "recipe", aggfunc="first", sort=False).fillna("")


def claims(jobs: pd.DataFrame) -> pd.Series:
    """How many tables have a claim under each recipe."""
    own = jobs[(jobs["seed"] == 0) & jobs["decision"].notna() & ~jobs["table"].isin(AS_DRAFTED)]
    return own["decision"].isin(CLAIMS).groupby(own["recipe"], sort=False).sum()


def checks(jobs: pd.DataFrame) -> Iterator[Check]:
    """What is asked, in words with what was found, and whether it holds; only of what has been run."""
    failed = jobs[jobs["decision"] == FAILED]
    yield f"{len(failed)} of {len(jobs)} jobs failed (none) {_named(sorted(set(failed['table'])))}", failed.empty
    own = jobs[(jobs["seed"] == 0) & jobs["decision"].notna() & ~jobs["table"].isin(AS_DRAFTED)]
    own = own[own["decision"] != FAILED]
    by = own.pivot(index="table", columns="recipe", values="decision")
    turned = [name for name, row in by.iterrows() if {"helps", "hurts"} <= set(row.dropna())]
    yield f"of {len(by)} tables helps stands against hurts in {len(turned)} (none) {_named(turned)}", not turned
    if {DEFAULTS, LONGER} <= set(by):
        both = by.dropna(subset=[DEFAULTS, LONGER])
        claimed = both[both[DEFAULTS].isin(CLAIMS)]
        other = claimed[
            (claimed[LONGER] == "no_difference")
            | (claimed[LONGER].isin(CLAIMS) & (claimed[LONGER] != claimed[DEFAULTS]))
        ]
        yield (
            f"of {len(claimed)} tables that claim, {len(other)} claim another thing or no difference with four times "
            f"the updates (at most 1) {_named(list(other.index))}",
            len(other) <= 1,
        )
    yield from _penguins(_of(jobs, "penguins", DEFAULTS))
    for name in AS_DRAFTED:
        yield from _diamonds(name, _of(jobs, name, DEFAULTS))
    yield from _digits(_of(jobs, "digits", LOOP), _of(jobs, "digits", DEFAULTS))


def _penguins(splits: pd.DataFrame) -> Iterator[Check]:
    """The mean of the tuned networks over ten splits against boosting."""
    if len(splits) < SPLITS:
        return
    networks, others = (splits[column].map(json.loads) for column in ("networks", "references"))
    for task in networks.iloc[0]:
        ours = np.mean([it[task][TUNED] for it in networks])
        boosting = np.mean([value for it in others for name, value in it[task].items() if name != CONSTANT])
        yield (
            f"penguins, {task}: tuned {ours:.4f}, boosting {boosting:.4f} over {len(splits)} splits (at most "
            f"{_BELOW_BOOSTING} below)",
            ours >= boosting - _BELOW_BOOSTING,
        )


def _diamonds(name: str, whole: pd.DataFrame) -> Iterator[Check]:
    """Of what clarity tells of the price, nothing reaches as much without it."""
    for found in whole["networks"].map(json.loads):
        cut = np.mean(found["cut"][TUNED])
        yield f"{name}, cut: tuned {cut:.4f} (at least {_CUT})", bool(cut >= _CUT)
        for arm in () if name == WITHOUT else (TUNED, SINGLE):
            price = np.mean(found["price"][arm])
            yield f"{name}, price: {arm} R2 {price:.4f} (at least {_PRICE})", bool(price >= _PRICE)
        for task, by in found.items():
            apart = max(np.ptp(by[arm]) for arm in (TUNED, SINGLE))
            yield f"{name}, {task}: replicates {apart:.4f} apart (at most {_APART})", bool(apart <= _APART)


def _digits(loops: pd.DataFrame, defaults: pd.DataFrame) -> Iterator[Check]:
    for loop, ours in zip(loops["networks"].map(json.loads), defaults["networks"].map(json.loads), strict=False):
        plain = np.mean([by[LOOP] for by in loop.values()])
        single = np.mean([by[SINGLE] for by in ours.values()])
        yield (
            f"digits: single-task {single:.4f}, the plain loop {plain:.4f} (within {_BELOW_LOOP})",
            bool(abs(single - plain) <= _BELOW_LOOP),
        )


def _of(jobs: pd.DataFrame, table: str, recipe: str) -> pd.DataFrame:
    return jobs[(jobs["table"] == table) & (jobs["recipe"] == recipe)]


def _named(names: list[str]) -> str:
    return f"({', '.join(names)})" if names else ""
