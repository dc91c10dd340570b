"""Trunks: from settings to the shared layers, one file a kind."""

from pipeline.model.trunks.base import (
    Made as Made,
    Rows as Rows,
    Settings as Settings,
    entrance as entrance,
    make_body as make_body,
    make_trunk as make_trunk,
)
