"""What the pipeline's own run is described by, however many steps there are."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.steps.runs import answer
from pipeline.tracking import tags


def described(titles: list[str]) -> str:
    """The description of a command that did these steps."""
    info = SimpleNamespace(experiment_id="12", run_id="0123456789abcdef0123456789abcdef")
    runs = {
        it: SimpleNamespace(
            info=info, data=SimpleNamespace(tags={tags.STEP: it.split()[0], tags.STUDY: "s-0"}, metrics={})
        )
        for it in titles
    }
    done = {it: SimpleNamespace(cached=False) for it in titles}
    context: Any = SimpleNamespace(
        tracker=SimpleNamespace(experiment_id="12"), command="headway compare mine", done=done, experiment=None
    )
    found = answer._Found(context, {"answer": "Sharing helps.", "report": "reports/mine/report.html"})
    vars(found).update({"runs": runs, "scores": [], "kept": {}, "version": None})
    return found.description("fedcba9876543210fedcba9876543210")


@pytest.mark.parametrize("arms", [3, 60])
def test_what_is_too_long_for_the_store_loses_steps_and_says_how_many(arms: int) -> None:
    titles = [f"{step} arm {arm} {'x' * 20}" for arm in range(arms) for step in ("tune", "train")]
    text = described(titles)
    assert len(text) <= 8_000
    assert text.startswith("**Sharing helps.**")
    assert text.endswith("`headway compare mine`")
    assert "[All pipelines of this experiment](" in text
    assert text.count("](") == text.count("workflowType=machine_learning")  # no link is cut
    shown = sum(f"[{it}](" in text.partition("Steps: ")[2] for it in titles)
    studies = sum(f"Study [{it}](" in text for it in titles)
    left = 2 * arms + arms - shown - studies
    assert (f"{left} more, among the child runs" in text) == (left > 0) == (arms == 60)
