"""The gap between training and validation in the metric that decides, of the kept weights as they would answer."""

from typing import Any

import numpy as np

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.metrics import bounds_of
from pipeline.analysis.networks import each_slot
from pipeline.analysis.statistics.differences import apart_at_most
from pipeline.analysis.statistics.intervals import Estimate
from pipeline.training.assess import assess
from pipeline.training.saved import Networks

_Metrics = dict[str, float]


def gaps(candidate: Candidate) -> dict[str, dict[str, Any]]:
    """For each task: its primary `metric` on `train` and on `validation`, and `gap`, train minus validation per seed.

    Empty where there is no validation split.
    """
    if not candidate.experiment.validates:
        return {}

    def both(networks: Networks) -> list[tuple[_Metrics, _Metrics]]:
        network, seen = networks.network, networks.prepared
        train, validation = (assess(network, seen, seen.split(it)) for it in ("train", "validation"))
        return list(zip(train, validation, strict=True))

    each = each_slot(candidate, both)
    found: dict[str, dict[str, Any]] = {}
    for task, it in candidate.prepared.tasks.items():
        train, validation = np.array([[split[f"{task}/{it.primary}"] for split in slot] for slot in each]).T
        own, apart = bounds_of(it.primary), apart_at_most(it.primary)
        found[task] = {"metric": it.primary} | {
            name: Estimate.over_seeds(values, bounds)
            for name, values, bounds in (
                ("train", train, own), ("validation", validation, own), ("gap", train - validation, apart)
            )
        }  # fmt: skip
    return found
