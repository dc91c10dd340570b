"""A prepare step whose data need not be there."""

from pathlib import Path
from typing import Any

from pipeline.config import Experiment
from pipeline.steps.context import StepResult
from pipeline.steps.step import Step


class Made(Step):
    """Of a name, which its key knows, and of outputs in a folder."""

    name = title = "prepare"

    def __init__(self, called: str = "prepared", folder: Path = Path()) -> None:
        self.experiment = Experiment.model_validate({"name": "tiny", "tasks": {"a": {"kind": "binary", "source": "x"}}})
        self.called = called
        self.result = StepResult("prepare", self.digest, "run", folder, cached=True)

    def reads(self) -> dict[str, Any]:
        return {"called": self.called}

    def work(self, context: Any, run: Any, folder: Path) -> None:
        """It is done."""


PREPARE = Made()
