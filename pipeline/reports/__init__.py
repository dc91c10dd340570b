"""The report: one self-contained page for people who would rather look than read."""

from pipeline.reports.data import ReportData as ReportData
from pipeline.reports.render import render as render
from pipeline.reports.verdict import verdict as verdict
