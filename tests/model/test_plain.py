"""Every layer that can be in a network is known by its kind, and can be rebuilt."""

import importlib
from pathlib import Path

import pytest

from pipeline.model import layers
from pipeline.model.layers.base import Layer
from pipeline.model.layers.plain import KINDS, sequence

FILES = [path.stem for path in Path(layers.__file__).parent.glob("*.py") if path.stem != "__init__"]


def test_every_layer_is_known_by_its_kind() -> None:
    found = {}
    for file in FILES:
        for name, it in vars(importlib.import_module(f"{layers.__name__}.{file}")).items():
            if isinstance(it, type) and issubclass(it, Layer) and hasattr(it, "kind") and it.__module__.endswith(file):
                found[it.kind] = f"{file}:{name}"
    assert found == KINDS


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="unknown kind 'zebra'"):
        sequence([{"kind": "zebra"}], "trunk", {}, "")
