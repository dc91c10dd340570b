"""Stratified splits: which rows of a source become train, validation and test."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.sources import Examples, Part
from pipeline.draws import seed_of
from pipeline.errors import UserError

_QUARTILES = (0.25, 0.5, 0.75)
_MISSING = -1


@dataclass(frozen=True)
class Chosen:
    """Some rows of a part: nothing is copied until they are written.

    Attributes:
        part: All rows.
        rows: Increasing row numbers.
    """

    part: Part
    rows: np.ndarray

    def labels(self, label: str) -> np.ndarray:
        """The rows' labels, as the part has them."""
        values: np.ndarray = self.part.labels[label][self.rows]
        return values


def split(
    name: str, examples: Examples, labels: list[str], validation: float, test: float, seed: int
) -> dict[str, Chosen]:
    """Split a source's training part; `test` applies only where it has no test part of its own.

    Rows are drawn so that each pattern of labels keeps its share, up to one row; of a number counts the quarter that it
    is in.

    Args:
        name: Of the source, for the draws and messages.
        examples: All that it holds.
        labels: The labels that tasks use, by which rows are stratified.
        validation: Share of the training part.
        test: Share of all rows.
        seed: Root of the draws.

    Raises:
        UserError: A split would be empty.
    """
    train = _all(examples.train)
    if examples.test is not None:
        tested = _all(examples.test)
    else:
        train, tested = _cut(f"data.test={test}: source '{name}'", train, labels, test, seed_of(seed, name, "test"))
    if validation == 0.0:
        return {"train": train, "test": tested}
    seed = seed_of(seed, name, "validation")
    train, validated = _cut(f"data.validation={validation}: source '{name}'", train, labels, validation, seed)
    return {"train": train, "validation": validated, "test": tested}


def _all(part: Part) -> Chosen:
    return Chosen(part, np.arange(len(part.inputs)))


def _cut(what: str, chosen: Chosen, labels: list[str], share: float, seed: int) -> tuple[Chosen, Chosen]:
    """Keep and cut rows, so that of each pattern's rows the share is cut, rounded up or down.

    scikit-learn's `train_test_split` refuses patterns of one row, and more patterns than rows to cut: with several
    tasks and missing labels both are ordinary.
    """
    rows = len(chosen.rows)
    count = round(share * rows)
    if not 0 < count < rows:
        raise UserError(f"{what} has {rows} rows, too few for this share: one of the splits would be empty")
    strata = np.concatenate([_strata(chosen.labels(label)) for label in labels], axis=1)
    patterns = np.unique(strata, axis=0, return_inverse=True)[1].ravel()
    draw = np.random.default_rng(seed)
    shuffled = draw.permutation(rows)
    by_pattern = shuffled[np.argsort(patterns[shuffled], kind="stable")]
    # Along the rows, pattern by pattern, a row is cut whenever the running share passes a whole number.
    passed = (draw.integers(rows) + count * np.arange(rows + 1)) // rows
    is_cut = np.empty(rows, bool)
    is_cut[by_pattern] = np.diff(passed) > 0
    return Chosen(chosen.part, chosen.rows[~is_cut]), Chosen(chosen.part, chosen.rows[is_cut])


def _strata(labels: np.ndarray) -> np.ndarray:
    """What the rows are stratified by, whole numbers [N, L]."""
    if np.issubdtype(labels.dtype, np.integer):
        return labels[:, None]
    if labels.ndim == 2:
        several: np.ndarray = np.nan_to_num(labels, nan=_MISSING).astype(np.int64)
        return several
    known = ~np.isnan(labels)
    quarters = np.full(len(labels), _MISSING)
    if known.any():
        quarters[known] = np.digitize(labels[known], np.quantile(labels[known], _QUARTILES))
    return quarters[:, None]
