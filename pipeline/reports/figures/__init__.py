"""Figures: one file a concern; each function answers panels, small enough for a phone, that a page lays out."""

from pipeline.reports.figures.style import Panel

__all__ = ["Panel"]
