"""What the runs of steps have to tell a reader."""

from pipeline.steps.context import Context
from pipeline.tracking import tags

_NOTES = (tags.NOTES, tags.CUT, tags.GATE, tags.FALLBACKS)


def notes(context: Context, names: tuple[str, ...] = _NOTES, of: str = "") -> list[str]:
    """A sentence each, of all steps that were done or found done.

    Args:
        context: Of the command.
        names: Tags that are told.
        of: How the titles of the steps begin; empty for all.
    """
    told = []
    for done in context.done.values():
        if done.title.startswith(of):
            run = context.tracker.get(done.run_id)
            own = run.data.tags if run else {}
            told += [f"{done.title}: {own[name]}." for name in names if own.get(name)]
    return told
