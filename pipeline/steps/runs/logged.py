"""What the runs of steps have logged for a reader: notes, durations, openings of test."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.steps.context import Context, StepResult
from pipeline.tracking import tags

if TYPE_CHECKING:
    import pandas as pd

_NOTES = (tags.NOTES, tags.CUT, tags.GATE, tags.FALLBACKS, tags.MIXED)


def notes(context: Context, names: tuple[str, ...] = _NOTES, of: str = "") -> list[str]:
    """A sentence each, of all steps that were done or found done.

    Args:
        context: Of the command.
        names: Tags that are read.
        of: How the titles of the steps begin; empty for all.
    """
    found = []
    for done in context.done.values():
        if done.title.startswith(of):
            run = context.tracker.get(done.run_id)
            own = run.data.tags if run else {}
            found += [f"{done.title}: {own[name]}." for name in names if own.get(name)]
    return found


def duration_s(context: Context, done: StepResult) -> float:
    """Seconds that a step took when it ran, be it now or before; NaN where its run is gone or has not ended."""
    run = context.tracker.get(done.run_id)
    ended = run.info.end_time if run else None
    return (ended - run.info.start_time) / 1000 if run and ended else float("nan")


def openings(context: Context, prepared: str) -> "pd.DataFrame":
    """Every time the test split of these prepared data was opened, oldest first: `when` and `candidates`."""
    import pandas as pd

    runs = [
        run
        for run in context.tracker.runs(f"tags.`{tags.STEP}` = 'evaluate' and tags.`{tags.PREPARED}` = '{prepared}'")
        if tags.TEST_OPENING in run.data.tags
    ]
    rows = [
        {
            "when": datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "candidates": run.data.tags[tags.TEST_CANDIDATES],
        }
        for run in reversed(runs)
    ]
    return pd.DataFrame(rows, columns=["when", "candidates"])
