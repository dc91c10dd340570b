"""The report: one self-contained page for people who would rather look than read."""

from pipeline.reports.data import ReportData
from pipeline.reports.render import render
from pipeline.reports.verdict import verdict

__all__ = ["ReportData", "render", "verdict"]
