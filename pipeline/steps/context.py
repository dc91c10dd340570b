"""What every step is given: folders, options of the command, console, tracker and workers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment
from pipeline.machine import cores
from pipeline.steps.console import Console
from pipeline.steps.device import resolve_device

if TYPE_CHECKING:
    from pipeline.tracking.tracker import Tracker
    from pipeline.training.places import Place
    from pipeline.training.together import Together
    from pipeline.training.workers.processes import LocalWorker
    from pipeline.training.workers.ray.cluster import Found
    from pipeline.training.workers.ray.company import Company
    from pipeline.training.workers.ray.engine import RayEngine
    from pipeline.training.workers.scheduler import Scheduler


@dataclass(frozen=True)
class Ray:
    """Networks train on a Ray cluster.

    Attributes:
        cluster: That was found; None for one on this machine, started when it is needed.
    """

    cluster: "Found | None" = None


@dataclass
class Context:
    """What one command's steps share.

    Attributes:
        project: The project folder.
        experiment: What the command is about.
        tracker: Where runs are tracked.
        console: Shows progress and results.
        parent: Id of the pipeline's run.
        title: Name of the pipeline's run.
        resume: Go on with interrupted steps.
        force: Names or titles of the steps to run whatever is cached, with all that depends on them.
        promote: Make the new model champion without comparing.
        command: A line that does the same again.
        done: The results of this command's steps, by title.
        checked: Titles of the steps that are known to fit into memory.
        ranks: The processes that train each network together, of which this is the first; None where it trains alone.
        checkpoints: Where checkpoints are kept; None for the project folder.
        engine: Where networks train; None for processes of this machine.
        joins: Whoever coordinates a study meanwhile is given this machine's cores, through its Ray cluster.
        every_row_tests: Each replicate has a split of its own; the experiment is settled, see
            `pipeline.steps.settling`.
    """

    project: Path
    experiment: Experiment
    tracker: "Tracker"
    console: Console
    parent: str | None = None
    title: str = ""
    resume: bool = False
    force: frozenset[str] = frozenset()
    promote: bool = False
    command: str = ""
    done: dict[str, "StepResult"] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    every_row_tests: bool = False
    ranks: "Together | None" = None
    checkpoints: "Place | None" = None
    engine: Ray | None = None
    joins: bool = False

    @property
    def work(self) -> Path:
        """Folder of outputs, checkpoints and locks."""
        return self.project / ".headway"

    def prepared_folder(self, key: str) -> Path:
        """Where the prepared arrays of a key lie."""
        return self.project / self.experiment.data.prepared / "prepared" / key

    def outputs_folder(self, key: str) -> Path:
        """Where the outputs of a step's key lie."""
        return self.work / "outputs" / key

    def checkpoints_folder(self, key: str, *elsewhere: str) -> "Place":
        """Where the checkpoints of a step's key lie.

        Args:
            key: Of the step, or the name of its study.
            elsewhere: More folders under `--checkpoints`, which others share.
        """
        from pipeline.training.places import Place

        if self.checkpoints is None:
            return Place.here(self.work / "checkpoints" / key)
        place = self.checkpoints
        for name in (key, *elsewhere):
            place /= name
        return place

    @cached_property
    def scheduler(self) -> "Scheduler":
        """Who lays out training; the workers that one step starts serve the next."""
        from pipeline.training.workers.scheduler import Scheduler

        here: Callable[[], LocalWorker] | None = None
        company = self._company
        if self.ranks:
            from pipeline.training.following import FirstWorker

            here = partial(FirstWorker, self.ranks)
        elif company:
            here = company.first
        hosts = self._hosts(self.engine) if self.engine and not company else None
        return Scheduler(self.work / "calibration", self.console.line, hosts, here)

    @cached_property
    def _company(self) -> "Company | None":
        """Processes of a Ray cluster that train each network with this one, if that is asked for."""
        count = self.experiment.training.data_parallel
        if self.engine is None or count == 1:
            return None
        from pipeline.training.workers.ray import actor
        from pipeline.training.workers.ray.company import Company
        from pipeline.training.workers.ray.engine import RayEngine

        console, device = self.console, resolve_device(self.experiment)
        engine = RayEngine(
            self.engine.cluster, self.project, device, count if device == "cuda" else count - 1, self.experiment.mixed,
            console.detail, console.warn, actor.follower,
        )  # fmt: skip
        return Company(engine, count, device)

    def _hosts(self, ray: Ray) -> "RayEngine":
        """What provides hosts on a Ray cluster."""
        from pipeline.training.workers.ray.engine import RayEngine

        experiment, console = self.experiment, self.console
        device, count = resolve_device(experiment), experiment.processes
        if count == "auto":
            count = 1 if device == "cuda" else cores()
        return RayEngine(ray.cluster, self.project, device, count, experiment.mixed, console.detail, console.warn)

    def close(self) -> None:
        """End what the steps have started."""
        if "scheduler" in vars(self):
            self.scheduler.close()
        if (company := vars(self).get("_company")) is not None:
            company.close()


@dataclass(frozen=True)
class StepResult:
    """What answers a step.

    Attributes:
        title: Of the step.
        key: Its key.
        run_id: The run that answers it.
        folder: Its outputs.
        cached: It had been run before.
    """

    title: str
    key: str
    run_id: str
    folder: Path
    cached: bool
