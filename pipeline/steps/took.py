"""What steps took when they ran, be it now or before."""

from pipeline.steps.context import Context, Done


def took_s(context: Context, done: Done) -> float:
    """Seconds of a step; NaN where its run is gone or has not ended."""
    run = context.tracker.get(done.run_id)
    ended = run.info.end_time if run else None
    return (ended - run.info.start_time) / 1000 if run and ended else float("nan")
