"""The networks of a candidate as they were saved: those of one shape at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.analysis.candidate import Candidate
from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.model import Network
from pipeline.training.saved import load_networks
from pipeline.training.slot import Slot

T = TypeVar("T")


@dataclass(frozen=True)
class Networks:
    """Networks of one shape.

    Attributes:
        network: All of them as one stack, K slots.
        slots: Theirs.
        places: Which of the candidate's slots they are.
        thresholds: Of multilabel tasks, [K][L].
        prepared: The data as they see them.
    """

    network: Network
    slots: list[Slot]
    places: list[int]
    thresholds: Mapping[str, list[list[float]]]
    prepared: Prepared

    @property
    def experiment(self) -> Experiment:
        """What the first of them was trained with: what shapes a network is that of all."""
        return self.slots[0].experiment


def networks_of(candidate: Candidate) -> Iterator[Networks]:
    """The networks of all slots, one stack after the other, so that only one is in memory."""
    slots = candidate.slots
    experiments = {slot.name: slot.experiment for slot in slots}
    for group in load_networks(candidate.folder, candidate.prepared, experiments):
        yield Networks(
            group.network, [slots[place] for place in group.places], group.places, group.thresholds, candidate.prepared
        )


def each_slot(candidate: Candidate, ask: Callable[[Networks], Sequence[T]]) -> list[T]:
    """What is asked of the networks of each stack, a value a slot: of all slots in their order."""
    found = {place: it for group in networks_of(candidate) for place, it in zip(group.places, ask(group), strict=True)}
    return [found[place] for place in sorted(found)]
