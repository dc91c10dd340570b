"""Checkpoints: the states of all slots of a step in one file, replaced atomically.

Each slot's rows are stored by themselves, so a resume may stack them in any other way.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from pipeline.throttle import Throttle
from pipeline.training.slot import SlotState

_ENTRY = "states"
_SEPARATOR = "\x1f"


class Checkpoint:
    """The checkpoint of one step.

    Args:
        path: Of the file; its folder is made when needed.
        throttle: How often it may be written while training waits.
    """

    def __init__(self, path: Path, throttle: Throttle | None = None) -> None:
        self._path = path
        self._throttle = throttle or Throttle()

    def due(self) -> bool:
        """Whether enough time has passed since the last write."""
        return self._throttle.due()

    def write(self, states: Iterable[SlotState]) -> None:
        """Replace the file; killed in the middle, the old one stays.

        Args:
            states: Of all slots; the time to collect them counts towards the throttle.
        """
        with self._throttle.timed():
            arrays: dict[str, np.ndarray] = {}
            described = []
            for state in states:
                arrays |= {f"{state.name}{_SEPARATOR}{name}": row for name, row in state.arrays.items()}
                described.append({key: value for key, value in vars(state).items() if key != "arrays"})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(".partial")
            with partial.open("wb") as file:
                file.write(save(arrays, metadata={_ENTRY: json.dumps(described)}))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)

    def read(self) -> dict[str, SlotState]:
        """All states by slot name; empty where nothing was written."""
        if not self._path.is_file():
            return {}
        with safe_open(self._path, framework="np") as file:
            states = {fields["name"]: SlotState(**fields) for fields in json.loads(file.metadata()[_ENTRY])}
            for key in file.keys():  # noqa: SIM118 (no mapping)
                slot, name = key.split(_SEPARATOR)
                states[slot].arrays[name] = file.get_tensor(key)
        return states

    def remove(self) -> None:
        """Delete the file, once its step has all it needs."""
        self._path.unlink(missing_ok=True)
