"""Stratified splits: which rows of a source become train, validation and test."""

import numpy as np

from pipeline.data.sources import Examples, Part
from pipeline.draws import seed_of
from pipeline.errors import UserError


def split(
    name: str, examples: Examples, labels: list[str], validation: float, test: float, seed: int
) -> dict[str, Part]:
    """Split a source's training part; `test` applies only where it has no test part of its own.

    Rows are drawn so that each pattern of labels keeps its share.

    Args:
        name: Of the source, for the draws and messages.
        examples: All that it holds.
        labels: The labels that tasks use, by which rows are stratified.
        validation: Share of the training part.
        test: Share of all rows.
        seed: Root of the draws.

    Raises:
        UserError: There are too few rows of a pattern to split.
    """
    train, tested = examples.train, examples.test
    if tested is None:
        train, tested = _cut(name, train, labels, test, seed_of(seed, name, "test"))
    if validation == 0.0:
        return {"train": train, "test": tested}
    train, validated = _cut(name, train, labels, validation, seed_of(seed, name, "validation"))
    return {"train": train, "validation": validated, "test": tested}


def _cut(name: str, part: Part, labels: list[str], share: float, seed: int) -> tuple[Part, Part]:
    from sklearn.model_selection import train_test_split

    patterns = np.unique(np.stack([part.labels[label] for label in labels]), axis=1, return_inverse=True)[1]
    try:
        kept, cut = train_test_split(
            np.arange(len(part.inputs)), test_size=share, stratify=patterns.ravel(), random_state=seed % 2**32
        )
    except ValueError as error:
        raise UserError(f"source '{name}' cannot be split with a share of {share}: {error}") from None
    return _rows(part, np.sort(kept)), _rows(part, np.sort(cut))


def _rows(part: Part, rows: np.ndarray) -> Part:
    return Part(part.inputs[rows], {label: values[rows] for label, values in part.labels.items()})
