"""Trunks: from settings to the shared layers, one file a kind."""

from pipeline.model.trunks.base import Made, Rows, Settings, entrance, make_body, make_trunk

__all__ = ["Made", "Rows", "Settings", "entrance", "make_body", "make_trunk"]
