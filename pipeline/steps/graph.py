"""The graph of steps, declared once: the command line, `run`, `show`, `why`, `--force` and `--budget` walk it.

Read this first, then the steps. Nothing heavy is imported until the steps are made, and nothing is done by making them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.config import Experiment
    from pipeline.steps.context import Context
    from pipeline.steps.step import Step
    from pipeline.steps.train import Train
    from pipeline.steps.tune import Tune

WHOLE = "run"
"""The command that does all steps."""

STEPS: Mapping[str, str] = {
    "prepare": "Split the data and write prepared arrays.",
    "train": "Train the experiment as written.",
    "tune": "Run the study; prepares if needed.",
    "select": "",
    "evaluate": "Open the test split once for all candidates; trains what is missing.",
    "report": "Write the report; does what is missing before it.",
}
"""The kinds of steps in their order, and the help of their commands; `select` has none."""


class Job:
    """The steps of an experiment, each made with its inputs.

    Args:
        experiment: As it is to be done.
        project: The project folder.
        every_row_tests: See `pipeline.steps.context.Context`.

    Attributes:
        prepare: Prepares the data.
        trained: Of every candidate, first of the experiment as written.
        studies: Those whose winners are trained, by their arms' titles.
        select: Chooses what is registered, and registers it; None without validation.
        evaluate: Opens test.
        report: Needs all others.

    Raises:
        UserError: The device or the separate baseline is none.
    """

    def __init__(self, experiment: "Experiment", project: Path, every_row_tests: bool = False) -> None:
        from pipeline.steps.candidates import candidates, job_arms, winners
        from pipeline.steps.champion import Register
        from pipeline.steps.device import resolve_device
        from pipeline.steps.evaluate import Evaluate
        from pipeline.steps.prepare import Prepare
        from pipeline.steps.report import Report
        from pipeline.steps.select import Select
        from pipeline.steps.tune import Tune

        self.experiment, device = experiment, resolve_device(experiment)
        self.prepare = Prepare(experiment, project)
        tuned = [winners(arm, self.prepare, device) for arm in job_arms(experiment)]
        self.trained = [*candidates(experiment, project, self.prepare, device), *tuned]
        self.studies = {it.candidate: it.study for it in tuned if isinstance(it.study, Tune)}
        self.select: Select | Register | None = None
        if experiment.validates:
            choice = Select(experiment, self.prepare, self.trained, registers=not every_row_tests)
            self.select = Register(experiment, self.prepare, choice, device) if every_row_tests else choice
        self.evaluate = Evaluate(experiment, self.prepare, self.trained)
        self.report = Report(experiment, self.prepare, self.trained, self.select, self.evaluate)

    @classmethod
    def of(cls, context: "Context") -> "Job":
        """The steps of a command's experiment."""
        return cls(context.experiment, context.project, context.every_row_tests)

    def last(self, command: str, arm: str = "") -> "list[Step]":
        """What a command does, after all that these steps need.

        Args:
            command: A name among `STEPS`, or `run`.
            arm: Whose study `tune` runs; by default the shared network's.

        Raises:
            UserError: No such arm has a study.
        """
        if command == "prepare":
            return [self.prepare]
        if command == "train":
            return [self.trained[0]]
        if command == "tune":
            return [self.study(arm)]
        if command == "evaluate":  # what is registered is chosen before test is opened
            return [*self.trained, *([self.select] if self.select else []), self.evaluate]
        return [self.report]

    def in_use(self, role: str) -> "list[Train]":
        """Training of the networks that are put to use where the candidate of this role is chosen."""
        from pipeline.steps.champion import Register

        if isinstance(self.select, Register):
            return self.select.champions[role]
        return [it for it in self.trained if it.role == role]

    def study(self, arm: str) -> "Tune":
        """The study of an arm, by default of the shared network.

        Raises:
            UserError: There is none.
        """
        from pipeline.config.compare import TUNED

        name = self.experiment.name
        if not self.studies:
            raise UserError(f"{name} has tuning=null: there is nothing to tune")
        if (arm or TUNED) not in self.studies:
            raise UserError(f"--arm {arm}: the arms of {name} that have a study are {', '.join(self.studies)}")
        return self.studies[arm or TUNED]


def run(context: "Context", command: str, arm: str = "") -> dict[str, Any]:
    """Do what a command asks for.

    Returns:
        JSON-able results of the whole job: `answer`, `decision`, `report`, `model`; empty where it ends earlier.

    Raises:
        UserError: The experiment or its data are wrong.
        Failure: A step could not be done.
    """
    from pipeline.steps.step import perform
    from pipeline.tracking.registry import address

    job = Job.of(context)
    for step in job.last(command, arm):
        perform(context, step)
    if job.report.result is None:
        return {}
    chosen = job.select.result if job.select else None
    model = address(context.tracker.client, context.experiment.name, chosen.run_id if chosen else None)
    return job.report.conclude(context) | {"model": model}
