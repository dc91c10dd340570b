"""Train: one candidate's networks, all seeds side by side, and what they learnt."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config import Experiment, changed, with_values
from pipeline.config.balancing import BalancingSettings
from pipeline.config.experiment import Baselines
from pipeline.config.sharing import PLAIN, SharingSettings
from pipeline.config.tasks import OF_EVALUATION
from pipeline.errors import Diverged
from pipeline.steps.context import Context, Done
from pipeline.steps.device import exactness, on_device
from pipeline.steps.step import Step
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, digest, versions

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

Role = Literal["default", "separate", "single", "tuned", "arm", "group"]

HISTORY = "history.parquet"
READS = ("tasks", "model", "balancing", "training", "data.mix", "data.temperature", "data.validation", "seed")


class Train(Step):
    """One candidate.

    Args:
        experiment: As the candidate is trained.
        role: default, separate, single, tuned, arm or group.
        prepared: Key of the prepare step.
        device: Resolved.
        task: Of a single-task baseline.
        wins: The model is registered, and held against the champion.
        arm: Of a comparison, which it belongs to.
        group: What the group of tasks is called that it learns.

    Attributes:
        candidate: What it is called when it is evaluated.
    """

    name = "train"

    def __init__(
        self,
        experiment: Experiment,
        role: Role,
        prepared: str,
        device: str,
        task: str | None = None,
        wins: bool = False,
        arm: str = "",
        group: str = "",
    ) -> None:
        self.experiment = experiment
        self.role: Role = role
        self.task = task
        self._prepared, self._device, self._wins = prepared, device, wins
        self._arm = arm
        self.candidate = " ".join(filter(None, (arm or group or role, task)))
        self.title = " ".join(filter(None, ("train", arm and "arm", group and "group", self.candidate)))

    def key(self) -> Key:
        """Code, settings, device and the prepared data."""
        return Key(
            {
                "step": self.name,
                "role": self.role,
                "task": self.task,
                "code": code_of(__name__),
                "versions": versions(),
                "values": read_values(self.experiment, READS),
                **exactness(self.experiment, self._device),
                "upstream": {"prepare": self._prepared},
            }
        )

    def tags(self) -> dict[str, str]:
        """Role and task."""
        own = {tags.ROLE: self.role, tags.PREPARED: self._prepared}
        own |= {tags.TASK: self.task} if self.task else {}
        return own | ({tags.ARM: self._arm} if self._arm else {})

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Train all seeds, log curves, save weights."""
        from pipeline.data.prepared import open_prepared
        from pipeline.steps.curves import history, kept
        from pipeline.training import saved
        from pipeline.training.slot import seed_slots

        prepared = open_prepared(context.prepared_folder(self._prepared)).only(self.experiment.tasks)
        log_datasets(run, context, self._prepared, ("train", "validation"))
        slots = seed_slots(on_device(self.experiment, self._device), prepared.chained)
        states = self._fit(context, run, prepared, slots)
        if lost := [state.name for state in states if state.status == "diverged"]:
            raise Diverged(
                f"{self.title}: {', '.join(lost)} diverged (weights or losses became infinite or beyond 2^64): "
                "lower training.learning_rate or set training.clip_norm"
            )
        run.metrics(kept(states), step=max(state.epoch for state in states) + 1)
        saved.save(folder, prepared, self.experiment, states, [slot.fold for slot in slots])
        history(states).to_parquet(folder / HISTORY, index=False)
        run.artifacts(folder)
        if self._wins:
            from pipeline.steps.register import register

            register(context, run, self.experiment, folder / saved.FILE, slots[0], self._prepared)

    def settle(self, context: Context, done: Done) -> None:
        """The checkpoint has done its service."""
        shutil.rmtree(context.checkpoints_folder(done.key), ignore_errors=True)

    def _fit(self, context: Context, run: "Run", prepared: Any, slots: Sequence[Any]) -> list[Any]:
        from pipeline.data.plan import dropped
        from pipeline.steps.curves import Live
        from pipeline.training.checkpoint import Checkpoint
        from pipeline.training.fit import fit

        rows = {name: it.rows["train"] for name, it in prepared.holding_out(slots[0].fold).sources.items()}
        data = self.experiment.data
        for source, count in dropped(rows, data.mix, data.heat).items():
            context.say.line(f"  data.mix={data.mix}: an epoch leaves out {count} of {rows[source]} rows of {source}")
        checkpoint = Checkpoint(context.checkpoints_folder(self.key().digest) / "checkpoint.safetensors")
        resumed = checkpoint.read() if context.resume else {}
        if resumed:
            epoch = max(state.epoch for state in resumed.values())
            context.say.line(f"{self.title}: resumed from epoch {epoch}")
        epochs = self.experiment.training.epochs
        live = Live(run, [slot.name for slot in slots], resumed)
        with (
            context.say.bar(self.title, epochs) as bar,
            context.foreman.crew(prepared, slots) as crew,
        ):

            def at_barrier(states: list[Any]) -> list[str]:
                bar.at(live.add(states))
                return []

            states = fit(crew, prepared, slots, at_barrier, checkpoint, resumed)
            live.log()
            return states


def read_values(experiment: Experiment, reads: tuple[str, ...]) -> dict[str, Any]:
    """The values that differ from the defaults, but for those of tasks that evaluation alone reads."""
    values = changed(experiment, reads)
    return {key: it for key, it in values.items() if not _evaluated(key)}


def _evaluated(key: str) -> bool:
    return key.startswith("tasks.") and key.split(".")[2] in OF_EVALUATION


def group_of(experiment: Experiment, tasks: Sequence[str]) -> Experiment:
    """The experiment restricted to some of its tasks and their sources, which share as all do.

    Raises:
        ValidationError: Its balancing method or its weights are nothing for these tasks.
    """
    it, every = experiment.balancing, list(experiment.tasks)
    own: dict[str, Any] = {}
    if it.weights != "equal":
        own["weights"] = {task: it.weights[task] for task in tasks}
    if it.preference != "equal":
        own["preference"] = {task: share for task, share in it.preferred(every).items() if task in tasks}
    return with_values(_restricted(experiment, tasks, balancing=it.model_copy(update=own)), {})


def single_task(experiment: Experiment, task: str) -> Experiment:
    """The experiment restricted to one task and its source: same trunk, optimizer, budget and seeds.

    It has one trunk however the tasks share theirs, so that all ways to share are held against the same baseline.
    """
    plain = experiment.model.sharing.kind in PLAIN
    training = experiment.training.model_copy(update={"watch": None})
    model = experiment.model if plain else experiment.model.model_copy(update={"sharing": SharingSettings()})
    return _restricted(experiment, [task], model=model, training=training, balancing=BalancingSettings())


def _restricted(experiment: Experiment, tasks: Sequence[str], **own: Any) -> Experiment:
    """Some of the tasks with settings of their own, and nothing that is trained beside them."""
    left = {"baselines": Baselines(single=False, separate=None), "tuning": None}
    few = experiment.model_copy(update={"tasks": {task: experiment.tasks[task] for task in tasks}, **left, **own})
    return few.model_copy(update={"training": few.training.on(few.source_names)})


def on_data_of(other: Experiment, experiment: Experiment) -> Experiment:
    """Another experiment's networks on this one's data, tasks and seeds."""
    own = ("seed", "device", "precision", "slots", "processes", "data", "tasks")
    training = {name: getattr(experiment.training, name) for name in ("seeds", "folds")}
    if not experiment.validates:
        training["early_stopping"] = None
    return other.model_copy(
        update={name: getattr(experiment, name) for name in own}
        | {
            "training": other.training.on(experiment.source_names).model_copy(update=training),
            "tuning": None,
        }
    )


def log_datasets(run: "Run", context: Context, prepared: str, splits: tuple[str, ...]) -> None:
    """Note the prepared splits that a run reads."""
    from pipeline.data.prepared import MANIFEST

    folder = context.prepared_folder(prepared)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    for split in splits:
        mine = {name: checksum for name, checksum in files.items() if f".{split}." in name}
        if mine:
            run.dataset(f"prepared.{split}", digest(mine), str(folder), split)
