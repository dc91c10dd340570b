"""What is asked of the answers, fixed before the first run; and the table by family and size."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.truth.families import FAMILIES, Family
from benchmarks.truth.part import PARTS

MARGIN = 1.0
"""Percent of delta-m within which a difference does not matter."""

CLAIMS = ("helps", "hurts", "mixed")
WIDTHS_AT, WIDTH = (150, 500, 2_000), 0.8
"""Rows at which intervals by folds have to be so much narrower than those of one split."""

_SURE = 4.0  # standard deviations over jobs that an effect has to be away from zero to be expected to be seen
_RIGHT = 0.8
_SAME_DELTA = 1e-6  # percent


def table(jobs: pd.DataFrame, truths: pd.DataFrame, families: Sequence[Family] = FAMILIES) -> pd.DataFrame:
    """One row a family and size.

    Args:
        jobs: family, rows, number, decision, delta_m, low, high, unfinished, cpu_s.
        truths: family, rows, number, delta_m.
        families: Which.

    Returns:
        family, rows, kind, jobs, truth and its standard error, mean (of the estimates), sd (over jobs), half_width
        (median), each decision's count, covered (intervals that hold the truth), expected (the right decisions).
    """
    found = []
    for family in families:
        own = jobs[(jobs["family"] == family.name) & (jobs["rows"] == family.rows)]
        so = truths[(truths["family"] == family.name) & (truths["rows"] == family.rows)]["delta_m"]
        if own.empty:
            continue
        truth = 0.0 if family.kind == "coin" else float(so.mean())
        counts = own["decision"].value_counts()
        found.append(
            {
                "family": family.name,
                "rows": family.rows,
                "kind": family.kind,
                "jobs": len(own),
                "truth": truth,
                "truth_se": 0.0 if family.kind == "coin" else float(so.std(ddof=1) / np.sqrt(len(so))),
                "mean": own["delta_m"].mean(),
                "sd": own["delta_m"].std(ddof=1),
                "half_width": ((own["high"] - own["low"]) / 2).median(),
                **{word: int(counts.get(word, 0)) for word in (*CLAIMS, "no_difference", "unknown", "no_claim")},
                "covered": int(((own["low"] <= truth) & (truth <= own["high"])).sum()),
                "expected": int(own["decision"].isin(_right(family, truth)).sum()),
            }
        )
    return pd.DataFrame(found)


def checks(parts: Mapping[str, pd.DataFrame], families: Sequence[Family] = FAMILIES) -> Iterator[tuple[str, bool]]:
    """What is asked, in words with what was found, and whether it holds.

    Args:
        parts: The rows of `truths` and `jobs`, and of the other parts that were run.
        families: Which.
    """
    for name, part in PARTS.items():
        count, asked = len(parts.get(name, ())), sum(part.count(it) for it in families)
        yield f"{count} of {asked} rows of {name} are there", count == asked
    yield from _of_jobs(parts["jobs"], parts["truths"], families)
    if "folds" in parts:
        folds = parts["folds"]
        yield from ((f"by folds, {said}", holds) for said, holds in _of_jobs(folds, parts["truths"], families))
        yield from _of_widths(table(folds, parts["truths"], families), table(parts["jobs"], parts["truths"], families))
    if "compared" in parts:
        yield from _of_comparisons(parts["compared"])
    if "told" in parts:
        yield from _of_commands(parts["told"], parts["jobs"])


def _of_widths(folds: pd.DataFrame, jobs: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    """Half-widths where every row tests by those of one split, by size; the median over families that have it."""
    both = folds.merge(jobs, on=["family", "rows"], suffixes=("", "_of_split"))
    ratios = (both["half_width"] / both["half_width_of_split"]).groupby(both["rows"]).median()
    for rows in WIDTHS_AT:
        if rows in ratios.index:
            yield (
                f"by folds, {rows} rows: half-widths are {ratios[rows]:.2f} times those of one split (at most {WIDTH})",
                bool(ratios[rows] <= WIDTH),
            )


def _of_comparisons(compared: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    claimed = int(compared["claims"].notna().sum())
    most = 9 * len(compared) / 100
    yield f"{claimed} of {len(compared)} comparisons without a difference claim one (at most 9 of 100)", claimed <= most


def _of_commands(told: pd.DataFrame, jobs: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    both = told.merge(jobs, on=["family", "rows", "number"], suffixes=("", "_of_job"))
    same = (both["decision"] == both["decision_of_job"]) & (
        (both["delta_m"] - both["delta_m_of_job"]).abs() <= _SAME_DELTA
    )
    yield (
        f"{int(same.sum())} of {len(told)} jobs answer by `headway run` what they do here",
        bool(same.sum() == len(told)),
    )


def _of_jobs(jobs: pd.DataFrame, truths: pd.DataFrame, families: Sequence[Family]) -> Iterator[tuple[str, bool]]:
    by = {(family.name, family.rows): family for family in families}
    own = jobs.assign(kind=[by[it].kind for it in zip(jobs["family"], jobs["rows"], strict=True)])
    found = table(jobs, truths, families)
    null, others = own[own["kind"].isin(["null", "coin"])], own[~own["kind"].isin(["null", "coin"])]
    claimed = int(null["decision"].isin(CLAIMS).sum())
    yield f"{claimed} of {len(null)} null jobs claim a difference (at most 22 of 300)", claimed <= 22 * len(null) / 300
    coins = int((null["kind"] == "coin").sum())
    yield f"{coins} of them are coin flips (at least 100)", coins >= 100
    wrong = int(((others["kind"] == "helps") & (others["decision"] == "hurts")).sum())
    wrong += int(((others["kind"] == "hurts") & (others["decision"] == "helps")).sum())
    yield f"{wrong} of {len(others)} other jobs go the wrong way (at most 1)", wrong <= 1
    beyond = found[found["truth"].abs() > MARGIN]
    missed, of = int(beyond["no_difference"].sum()), int(beyond["jobs"].sum())
    yield (
        f"{missed} of {of} jobs with a true difference beyond the margin say no difference (at most 5 %)",
        (missed <= 0.05 * of),
    )
    flips = own[own["kind"] == "coin"]
    held = int(((flips["low"] <= 0) & (flips["high"] >= 0)).sum())
    yield f"{held} of {len(flips)} intervals of coin flips hold 0 (at least 91 %)", held >= 0.91 * len(flips)
    for row in found.to_dict("records"):
        family = by[row["family"], row["rows"]]
        if family.is_complete and row["jobs"] >= 40:
            least = 35 * row["jobs"] / 40
            yield (
                f"{family.title}: {row['covered']} of {row['jobs']} intervals hold the truth (at least {least:.0f})",
                (row["covered"] >= least),
            )
        if abs(row["mean"]) > MARGIN and abs(row["mean"]) >= _SURE * row["sd"]:
            yield (
                f"{family.title}: {row['expected']} of {row['jobs']} decide rightly (at least 80 %)",
                (row["expected"] >= _RIGHT * row["jobs"]),
            )
        if family.is_null and row["rows"] >= 10_000:
            told = row["no_difference"]
            yield f"{family.title}: {told} of {row['jobs']} say no difference (at least half)", told >= row["jobs"] / 2
    unfinished = int(jobs["unfinished"].astype(bool).sum())
    yield f"{unfinished} of {len(jobs)} jobs are unfinished (at most 10 %)", unfinished <= 0.1 * len(jobs)


def _right(family: Family, truth: float) -> tuple[str, ...]:
    """The decisions that are right."""
    if family.kind == "mixed":
        return ("mixed",)
    if abs(truth) <= MARGIN:
        return ("no_difference", "unknown")
    return ("helps",) if truth > 0 else ("hurts",)
