"""Checkpoints: the states of all slots of a step in one file, replaced atomically.

Each slot's rows are stored by themselves, so a resume may stack them in any other way. A file that is damaged or cut
short is told by its checksum, and is as good as none: training begins earlier, with the same values.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline.throttle import Throttle
from pipeline.training.places import Place
from pipeline.training.slot import SlotState

_ENTRY, _CHECKSUM = "states", "sha256"
_SEPARATOR = "\x1f"


class Checkpoint:
    """The checkpoint of one step.

    Args:
        place: Of the file; its folder is made when needed.
        throttle: How often it may be written while training waits.
    """

    def __init__(self, place: Path | Place, throttle: Throttle | None = None) -> None:
        self._place = Place.here(place) if isinstance(place, Path) else place
        self._throttle = throttle or Throttle()

    def due(self) -> bool:
        """Whether enough time has passed since the last write, or training is to end."""
        return self._throttle.due() or self._place.ending() is not None

    def write(self, states: Iterable[SlotState]) -> None:
        """Replace the file; killed in the middle, the old one stays.

        Args:
            states: Of all slots; the time to collect them counts towards the throttle.

        Raises:
            StudyStopped: Training is to end now that it is written.
        """
        with self._throttle.timed():
            arrays: dict[str, np.ndarray] = {}
            fields = []
            for state in states:
                arrays |= {f"{state.name}{_SEPARATOR}{name}": row for name, row in state.arrays.items()}
                fields.append({key: value for key, value in vars(state).items() if key != "arrays"})
            described = json.dumps(fields)
            self._place.put(save(arrays, {_ENTRY: described, _CHECKSUM: _checksum(described, arrays)}))
        if (end := self._place.ending()) is not None:
            raise end

    def read(self) -> dict[str, SlotState]:
        """All states by slot name; empty where nothing was written, or nothing whole."""
        with self._place.local() as file:
            if file is None:
                return {}
            try:
                return _read(file)
            except (SafetensorError, ValueError, KeyError, TypeError):
                self._place.say(f"checkpoint {self._place.shown} is damaged: what it held is trained again")
                return {}

    def remove(self) -> None:
        """Delete the file, once its step has all it needs."""
        self._place.delete()


def _read(path: Path) -> dict[str, SlotState]:
    """The states in a file.

    Raises:
        ValueError: It is not what was written.
    """
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        described = metadata[_ENTRY]
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    if metadata.get(_CHECKSUM, "") not in ("", _checksum(described, arrays)):  # earlier versions wrote none
        raise ValueError("another checksum")
    states = {fields["name"]: SlotState(**fields) for fields in json.loads(described)}
    for key, row in arrays.items():
        slot, name = key.split(_SEPARATOR)
        states[slot].arrays[name] = row
    return states


def _checksum(described: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Over everything in a checkpoint."""
    found = hashlib.sha256(described.encode())
    for name in sorted(arrays):
        row = np.ascontiguousarray(arrays[name])
        found.update(f"{name}{_SEPARATOR}{row.dtype}{row.shape}".encode())
        found.update(row.reshape(-1).view(np.uint8).data)
    return found.hexdigest()
