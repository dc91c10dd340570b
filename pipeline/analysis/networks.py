"""The networks of a candidate as they were saved: those that have one shape and see the same rows at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pipeline.analysis.candidate import Candidate
from pipeline.training.saved import Networks, load_networks

T = TypeVar("T")


def networks_of(candidate: Candidate) -> Iterator[Networks]:
    """The networks of all slots, one stack after the other, so that only one is in memory."""
    return load_networks(candidate.folder, candidate.prepared, candidate.slots)


def each_slot(candidate: Candidate, ask: Callable[[Networks], Sequence[T]]) -> list[T]:
    """What is asked of the networks of each stack, a value a slot: of all slots in their order."""
    found = {place: it for group in networks_of(candidate) for place, it in zip(group.places, ask(group), strict=True)}
    return [found[place] for place in sorted(found)]
