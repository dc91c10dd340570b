"""Folders of small images with labels, and an experiment on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.config import Experiment
from pipeline.data.sources import Place

from .files import experiment


def draw(folder: Path, names: Sequence[str], size: tuple[int, int] = (4, 3), channels: int = 3) -> np.ndarray:
    """Random images of this size by name; their pixels uint8 [N, H, W, C], or [N, H, W] of one channel."""
    rng = np.random.default_rng(len(names))
    pixels = rng.integers(0, 256, (len(names), *size, channels), np.uint8)
    pixels = pixels[..., 0] if channels == 1 else pixels
    for name, image in zip(names, pixels, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
    return pixels


def table(path: Path, text: str) -> None:
    """A CSV file, its lines parted by blanks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text.split()) + "\n")


def on(source: dict[str, Any], tasks: dict[str, Any] | None = None, **data: Any) -> Experiment:
    """An experiment on a declared source called `own`."""
    tasks = tasks or {"class": {"kind": "multiclass"}}
    plain = experiment({name: {"source": "own"} | it for name, it in tasks.items()}, **data)
    return Experiment.model_validate(plain.model_dump(mode="json") | {"sources": {"own": source}})


def here(folder: Path) -> Place:
    """All places within one folder; declared paths hang from it."""
    return Place("sample", folder / "shipped", None, folder / "kept" / "downloads", folder)
