"""The report: one self-contained page for people who would rather look than read."""

from pipeline.analysis.report.data import ReportData
from pipeline.analysis.report.render import render
from pipeline.analysis.report.verdict import verdict

__all__ = ["ReportData", "render", "verdict"]
