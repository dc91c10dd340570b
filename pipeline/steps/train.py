"""Train: one candidate's networks, all seeds or replicates side by side, and what they learnt."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config import Experiment, values_read, with_values
from pipeline.errors import Diverged
from pipeline.steps.context import Context, Done
from pipeline.steps.device import exactness, on_device
from pipeline.steps.parameters import parameters_of
from pipeline.steps.step import Step
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, digest, versions

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

Role = Literal["default", "separate", "single", "tuned", "arm", "group"]

HISTORY = "history.parquet"
WINNERS = "winners.json"


class Train(Step):
    """One candidate.

    Args:
        experiment: As the candidate is trained.
        role: default, separate, single, tuned, arm or group.
        prepared: Key of the prepare step.
        device: Resolved.
        task: Of a single-task baseline.
        winners: What each replicate's study chose, by dotted key; none where all seeds train the experiment itself.
        arm: Of a comparison, which it belongs to.
        group: What the group of tasks is called that it learns.

    Attributes:
        candidate: What it is called when it is evaluated.
        winners: As given.
    """

    name = "train"

    def __init__(
        self,
        experiment: Experiment,
        role: Role,
        prepared: str,
        device: str,
        task: str | None = None,
        winners: Sequence[Mapping[str, Any]] = (),
        arm: str = "",
        group: str = "",
    ) -> None:
        self.experiment = experiment
        self.role: Role = role
        self.task = task
        self.winners = winners
        self._prepared, self._device = prepared, device
        self._arm = arm
        self.candidate = " ".join(filter(None, (arm or group or role, task)))
        self.title = " ".join(filter(None, ("train", arm and "arm", group and "group", self.candidate)))

    @property
    def experiments(self) -> list[Experiment]:
        """What each network trains, in the order of the seeds."""
        return [with_values(self.experiment, it) for it in self.winners] or [
            self.experiment
        ] * self.experiment.training.seeds

    def key(self) -> Key:
        """Code, settings, device and the prepared data."""
        return Key(
            {
                "step": self.name,
                "role": self.role,
                "task": self.task,
                "code": code_of(__name__),
                "versions": versions(),
                "values": values_read(self.experiment, "train"),
                **({"winners": list(self.winners)} if self.winners else {}),
                **exactness(self.experiment, self._device),
                "upstream": {"prepare": self._prepared},
            }
        )

    def tags(self) -> dict[str, str]:
        """Role and task."""
        own = {tags.ROLE: self.role, tags.PREPARED: self._prepared}
        own |= {tags.TASK: self.task} if self.task else {}
        return own | ({tags.ARM: self._arm} if self._arm else {})

    def parameters(self) -> dict[str, Any]:
        """Of all its networks."""
        return parameters_of(self.experiments)

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Train all seeds or replicates, log curves, save weights."""
        from pipeline.analysis.fallbacks import told
        from pipeline.data.prepared import open_prepared
        from pipeline.steps.curves import history, kept
        from pipeline.training import saved
        from pipeline.training.slot import slots_of

        prepared = open_prepared(context.prepared_folder(self._prepared)).only(self.experiment.tasks)
        log_datasets(run, context, self._prepared, ("train", "validation"))
        if self.winners:
            run.text(json.dumps(list(self.winners), indent=1, sort_keys=True), WINNERS)
        trained = [on_device(it, self._device) for it in self.experiments]
        slots = slots_of(trained, prepared.chained)
        states = self._fit(context, run, prepared, slots)
        if lost := [state.name for state in states if state.status == "diverged"]:
            raise Diverged(
                f"{self.title}: {', '.join(lost)} diverged (weights or losses became infinite or beyond 2^64): "
                "lower training.learning_rate or set training.clip_norm"
            )
        run.metrics(kept(states), step=max(state.looks for state in states) + 1)
        saved.save(folder, prepared, self.experiments, states, [slot.fold for slot in slots])
        learnt = history(states)
        if said := told(self.experiment.balancing.method, learnt):
            run.tags({tags.FALLBACKS: said})
        learnt.to_parquet(folder / HISTORY, index=False)
        run.artifacts(folder)

    def settle(self, context: Context, done: Done) -> None:
        """The checkpoint has done its service."""
        shutil.rmtree(context.checkpoints_folder(done.key), ignore_errors=True)

    def _fit(self, context: Context, run: "Run", prepared: Any, slots: Sequence[Any]) -> list[Any]:
        from pipeline.data.plan import dropped
        from pipeline.steps.curves import Live
        from pipeline.training.checkpoint import Checkpoint
        from pipeline.training.length import length_of
        from pipeline.training.loop import fit

        first = prepared.holding_out(slots[0].fold)
        rows, data = first.train_rows, self.experiment.data
        left_out = dropped(rows, data.mix, data.heat)
        for source in left_out.keys() & first.sources:
            said = f"an epoch leaves out {left_out[source]} of {rows[source]} rows of {source}"
            context.say.line(f"  data.mix={data.mix}: {said}")
        checkpoint = Checkpoint(context.checkpoints_folder(self.key().digest) / "checkpoint.safetensors")
        resumed = checkpoint.read() if context.resume else {}
        if resumed:
            done = max(state.done for state in resumed.values())
            context.say.line(f"{self.title}: resumed after {done} updates")
        looks = len(length_of(first, self.experiment).looks)
        live = Live(run, [slot.name for slot in slots], resumed)
        with (
            context.say.bar(self.title, looks) as bar,
            context.scheduler.pool(prepared, slots) as pool,
        ):

            def at_barrier(states: list[Any]) -> list[str]:
                bar.at(live.add(states))
                return []

            states = fit(pool, prepared, slots, at_barrier, checkpoint, resumed)
            live.log()
            return states


def log_datasets(run: "Run", context: Context, prepared: str, splits: tuple[str, ...]) -> None:
    """Note the prepared splits that a run reads."""
    from pipeline.data.prepared import MANIFEST

    folder = context.prepared_folder(prepared)
    files = json.loads((folder / MANIFEST).read_text())["files"]
    for split in splits:
        mine = {name: checksum for name, checksum in files.items() if f".{split}." in name}
        if mine:
            run.dataset(f"prepared.{split}", digest(mine), str(folder), split)
