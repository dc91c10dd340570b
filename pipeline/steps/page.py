"""Steps that end in a page for people: the page, the answer that it begins with, and often a decision."""

import hashlib
import json
from abc import ABC
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.steps.context import Context
from pipeline.steps.published import publish
from pipeline.steps.step import Step
from pipeline.tracking import tags
from pipeline.tracking.keys import Key

if TYPE_CHECKING:
    from pipeline.analysis.evaluation import Evaluation
    from pipeline.analysis.statistics.decision import Decision
    from pipeline.tracking.run import Run

_REPORTS = Path(__file__).parents[1] / "reports"
_ANSWER, _DECISION = "answer.txt", "decision.json"


class PageStep(Step, ABC):
    """A step whose outputs are a page, `<name>.html`, and what the page is drawn from."""

    def key(self) -> Key:
        """With the templates, styles and scripts of pages, which are code too.

        Raises:
            KeyUnknownError: See `Step.reads`.
        """
        return Key({**super().key().parts, "templates": drawn_by(_REPORTS)})

    def publish(self, run: "Run", folder: Path, page: str, answer: str) -> None:
        """Write the page and its answer, and log all outputs.

        Args:
            run: Of the step.
            folder: Of its outputs.
            page: HTML.
            answer: Its first line is what the command prints.
        """
        (folder / f"{self.name}.html").write_text(page, encoding="utf-8")
        (folder / _ANSWER).write_text(answer, encoding="utf-8")
        run.artifacts(folder)

    def decide(self, run: "Run", folder: Path, page: str, answer: str, decision: "Decision", by: "Evaluation") -> None:
        """Publish a page with a decision, which its run has as tags.

        Args:
            run: See `publish`.
            folder: See `publish`.
            page: See `publish`.
            answer: See `publish`.
            decision: Taken on the page.
            by: The evaluation that it is taken by.
        """
        from pipeline.analysis.statistics.decision import unfinished_names

        unfinished = unfinished_names(by.finished)
        run.tags({tags.ANSWER: answer} | _tags(decision.word, unfinished))
        kept = {"decision": decision.word, "unfinished": list(unfinished)}
        (folder / _DECISION).write_text(json.dumps(kept), encoding="utf-8")
        self.publish(run, folder, page, answer)

    def conclude(self, context: Context) -> dict[str, Any]:
        """Tag the pipeline's own run with the decision, be it taken now or before.

        Returns:
            JSON-able `answer`, `report` and, where there is one, `decision`.
        """
        (answer, *_) = (self.outputs / _ANSWER).read_text(encoding="utf-8").splitlines()
        page = publish(context.project, context.experiment.name, self.outputs / f"{self.name}.html")
        results = {"answer": answer, "report": str(page)}
        if not (file := self.outputs / _DECISION).is_file():
            return results
        kept = json.loads(file.read_text(encoding="utf-8"))
        if context.parent:
            for name, value in _tags(kept["decision"], kept["unfinished"]).items():
                context.tracker.client.set_tag(context.parent, name, value)
        return results | {"decision": kept["decision"]}


@cache
def drawn_by(folder: Path) -> str:
    """A hash of the templates and of what lies beside them, found without importing the code of pages."""
    files = sorted(it for name in ("templates", "static") for it in (folder / name).iterdir())
    told = [f"{it.name} {hashlib.sha256(it.read_bytes()).hexdigest()}" for it in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _tags(word: str, unfinished: Sequence[str]) -> dict[str, str]:
    return {tags.DECISION: word} | ({tags.UNFINISHED: ", ".join(unfinished)} if unfinished else {})
