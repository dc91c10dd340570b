"""The decision of a last step: kept beside its answer, as tags of its run, and as tags of the pipeline's own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.steps.context import Context, StepResult
from pipeline.tracking import tags

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

_FILE = "decision.json"


def keep(run: "Run", folder: Path, word: str, unfinished: Sequence[str]) -> None:
    """Tag a step's run, and write the same among its outputs.

    Args:
        run: Of the step.
        folder: Of its outputs.
        word: See `pipeline.analysis.decision`.
        unfinished: Names of arms that were still improving when their training ended.
    """
    kept = _tags(word, unfinished)
    run.tags(kept)
    (folder / _FILE).write_text(json.dumps({"decision": word, "unfinished": list(unfinished)}), encoding="utf-8")


def conclude(context: Context, done: StepResult) -> dict[str, str]:
    """Tag the pipeline's own run with what the last step decided, now or before; `decision` for the results."""
    kept = json.loads((done.folder / _FILE).read_text(encoding="utf-8"))
    if context.parent:
        for name, value in _tags(kept["decision"], kept["unfinished"]).items():
            context.tracker.client.set_tag(context.parent, name, value)
    return {"decision": kept["decision"]}


def _tags(word: str, unfinished: Sequence[str]) -> Mapping[str, str]:
    return {tags.DECISION: word} | ({tags.UNFINISHED: ", ".join(unfinished)} if unfinished else {})
