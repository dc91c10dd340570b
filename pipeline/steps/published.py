"""Reports under names that people read: `reports/EXPERIMENT/report.html` is a copy of the newest one of its sort."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from pipeline.store_keys import keys_of

REPORTS = {"report": "run", "compare": "compare", "affinity": "affinity", "explain": "explain"}
"""The steps that end in a page, each with the command that makes it."""

_FOLDER = "reports"


def folder_of(project: Path, experiment: str) -> Path:
    """Where the reports of an experiment lie."""
    return project / _FOLDER / keys_of([experiment])[experiment]


def publish(project: Path, experiment: str, page: Path) -> Path:
    """Copy a page to where people find it, over the one before.

    Returns:
        The copy; the page itself where the copy cannot be written.
    """
    copy = folder_of(project, experiment) / page.name
    partial = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, partial)
        partial.replace(copy)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        return page
    return copy


def newest(project: Path, experiment: str | None = None) -> Path | None:
    """The report that was published last, of an experiment or of all; None where there is none."""
    folders = [folder_of(project, experiment)] if experiment else list((project / _FOLDER).glob("*"))
    pages = [page for folder in folders for name in REPORTS if (page := folder / f"{name}.html").is_file()]
    return max(pages, key=lambda it: it.stat().st_mtime_ns, default=None)
