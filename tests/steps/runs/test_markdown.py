"""Descriptions: names of data are no markup."""

from pipeline.config import Experiment
from pipeline.steps.runs.markdown import link, predicted, table


def test_cells_and_links_are_escaped() -> None:
    assert table(["a|b"], [["[x](y)"]]) == "| a&#124;b&ensp; |\n| --- |\n| [x]&#40;y)&ensp; |"
    assert link("a*b", "#/x") == "[a&#42;b](#/x)"


def test_tasks_are_told_with_their_first_classes() -> None:
    tasks = {"digit": {"kind": "multiclass", "source": "digits"}, "parity": {"kind": "binary", "source": "digits"}}
    own = Experiment.model_validate({"name": "digits", "tasks": tasks}).tasks
    told = predicted(own, {"digit": [f"c{it}" for it in range(30)]}).splitlines()
    assert told[0].startswith("- **digit**, multiclass: c0, c1, ")
    assert told[0].endswith("c19 and 10 more")
    assert told[1] == "- **parity**, binary"
