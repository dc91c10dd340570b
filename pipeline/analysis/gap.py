"""The gap between training and validation in the metric that decides, of the kept weights as they would answer."""

from typing import Any

import numpy as np

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.intervals import Estimate
from pipeline.training.assess import assess_each
from pipeline.training.saved import load_network
from pipeline.training.slot import seed_slots


def gaps(candidate: Candidate) -> dict[str, dict[str, Any]]:
    """For each task: its primary `metric` on `train` and on `validation`, and `gap`, train minus validation per seed.

    Empty where there is no validation split.
    """
    if not candidate.experiment.validates:
        return {}
    network, _ = load_network(candidate.model, candidate.prepared, candidate.experiment)
    slots = seed_slots(candidate.experiment, candidate.prepared.chained)
    splits = {name: assess_each(network, candidate.prepared, name, slots) for name in ("train", "validation")}
    found: dict[str, dict[str, Any]] = {}
    for task, it in candidate.prepared.tasks.items():
        train, validation = (np.array([slot[f"{task}/{it.primary}"] for slot in slots]) for slots in splits.values())
        found[task] = {"metric": it.primary} | {
            name: Estimate.over_seeds(values)
            for name, values in (("train", train), ("validation", validation), ("gap", train - validation))
        }
    return found
