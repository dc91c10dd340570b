"""What should make a reader of prepared data suspicious: inputs in two splits, classes and columns that train lacks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.data.tables.columns import some

_SHOWN = 5
_CHUNK = 1 << 22  # values hashed at a time


def repeated(hashes: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many rows of each other split have the very inputs of a row of train.

    Rows are compared by 64-bit hashes, so one in some 10^19 / rows pairs is counted by mistake.

    Args:
        hashes: By split, those of its rows as `hashed` answers them; train's are sorted where they lie.
    """
    train = hashes["train"]
    train.sort()
    found = {name: np.minimum(np.searchsorted(train, its), len(train) - 1) for name, its in hashes.items()}
    return {name: int((train[found[name]] == its).sum()) for name, its in hashes.items() if name != "train"}


def together(hashes: np.ndarray, group: np.ndarray | None) -> np.ndarray:
    """Rows that may not be parted, by number: those of one hash, of one group, and what these join: int64 [N].

    Args:
        hashes: Of the rows' inputs, as `hashed` answers them.
        group: Of the rows; None where only the inputs count.
    """
    alike: np.ndarray = np.unique(hashes, return_inverse=True)[1]
    if group is None:
        return alike
    ties = [np.unique(group, return_inverse=True)[1], alike]
    units, before = ties[0], np.empty(0)
    while not np.array_equal(units, before):
        before = units
        for tie in ties[::-1]:
            lowest = np.full(tie.max() + 1, len(units))
            np.minimum.at(lowest, tie, units)
            units = lowest[tie]
    return units


def suspicions(manifest: Mapping[str, Any]) -> list[str]:
    """Lines about what is suspicious in prepared data, from their manifest."""
    lines = []
    for name, source in manifest["sources"].items():
        if empty := (source.get("encoding") or {}).get("empty"):
            lines.append(f"{name}: {some(empty)} left out of the inputs: no row of train tells anything of it")
        for split, count in source["repeated"].items():
            if count:
                rows = source["rows"][split]
                lines.append(f"{name}: {count} of {rows} rows of {split} have the very inputs of a row of train")
    for name, count in manifest.get("outer", {}).get("together", {}).items():
        if count:
            lines.append(
                f"{name}: {count} rows have the very inputs of another row: where one tests, no such row trains"
            )
    for name, task in manifest["tasks"].items():
        if unseen := task.get("unseen"):
            lines.append(unseen_line(name, unseen))
        for index, label in enumerate(task["classes"]):
            seen = {split: counts[index] for split, counts in task["counts"].items()}
            if not seen["train"] and any(seen.values()):
                lines.append(f"task '{name}': no row of train is '{label}', which other splits have")
            elif seen["train"] and not seen.get("validation", 1):
                lines.append(f"task '{name}': no row of validation is '{label}': what is chosen by it is blind to that")
    return lines


def unseen_line(task: str, unseen: Mapping[str, int]) -> str:
    """What is said of classes that test alone has, with their rows or tokens."""
    shown = [f"'{label}' ({count:,})" for label, count in list(unseen.items())[:_SHOWN]]
    more = f" and {len(unseen) - _SHOWN} more" if len(unseen) > _SHOWN else ""
    return f"task '{task}': test alone has {', '.join(shown)}{more}: no network answers these, and they count as wrong"


def hashed(rows: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row [B] of [B, F]: sums of its words, each times an odd number of its own."""
    words = np.ascontiguousarray(rows).view(f"u{min(rows.dtype.itemsize, 8)}")
    factors = np.random.default_rng(0).integers(1 << 63, size=words.shape[1], dtype=np.uint64) * 2 + 1
    hashes = np.zeros(len(words), np.uint64)
    step = max(1, _CHUNK // max(1, words.shape[1]))
    for start in range(0, len(words), step):
        part = words[start : start + step].astype(np.uint64)
        part = (part + np.uint64(1)) * factors
        hashes[start : start + step] = (part ^ (part >> np.uint64(29))).sum(1, dtype=np.uint64)
    return hashes
