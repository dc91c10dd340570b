"""Train: one candidate's networks, all seeds or replicates side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, implementations, with_values
from pipeline.errors import Diverged
from pipeline.steps.context import Context
from pipeline.steps.data import ALL_ROWS, log_datasets, opened
from pipeline.steps.device import exactness, exactness_tags, on_device
from pipeline.steps.runs.parameters import parameters_of
from pipeline.steps.step import Step, check_settled
from pipeline.tracking import tags

if TYPE_CHECKING:
    from pipeline.tracking.run import Run
    from pipeline.training.places import Place

HISTORY = "history.parquet"
WINNERS = "winners.json"


class Train(Step):
    """One candidate.

    Args:
        experiment: As the candidate is trained.
        role: What it is among the candidates, see `pipeline.analysis.candidate`.
        prepare: Prepares the data.
        device: Resolved.
        task: Of a single-task baseline.
        study: Whose winners it trains, if any.
        winners: What each replicate's study chose, by dotted key; none where all seeds train the experiment itself.
        candidate: What it is called when it is evaluated; its role and task by default.
        title: Of the step; `train` and the candidate by default.
        tags: Tags of its run beside role and task.
        reads_all: It learns from all rows but validation, where every row tests, and not from each replicate's.
    """

    name = "train"

    def __init__(
        self,
        experiment: Experiment,
        role: str,
        prepare: Step,
        device: str,
        task: str | None = None,
        study: Step | None = None,
        winners: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        candidate: str = "",
        title: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
        reads_all: bool = False,
    ) -> None:
        self.experiment, self.role, self.task, self.study = experiment, role, task, study
        self.inputs = (prepare, study) if study else (prepare,)
        self.candidate = candidate or " ".join(filter(None, (role, task)))
        self.title = title or f"train {self.candidate}"
        self._prepare, self._device, self._winners, self._tags = prepare, device, winners, tags
        self.reads_all = reads_all

    @property
    def upstream(self) -> Sequence[Step]:
        """Of a study only the winners count: more trials that change none train nothing anew."""
        return (self._prepare,)

    @property
    def winners(self) -> Sequence[Mapping[str, Any]]:
        """What each replicate's study chose, by dotted key; none where all seeds train the experiment itself.

        Raises:
            KeyUnknownError: The study is not done.
        """
        return self._winners()

    @property
    def experiments(self) -> list[Experiment]:
        """What each network trains, in the order of the seeds."""
        return [with_values(self.experiment, it) for it in self.winners] or [
            self.experiment
        ] * self.experiment.training.seeds

    def implementations(self) -> set[str]:
        """See `Step`: of all its networks."""
        return set().union(*(implementations(it, self.name) for it in self.experiments))

    def reads(self) -> dict[str, Any]:
        """Role, winners and device."""
        check_settled(self.experiment, self._prepare, self.title)
        winners = list(self.winners)
        return {
            "role": self.role,
            "task": self.task,
            **(ALL_ROWS if self.reads_all else {}),
            **({"winners": winners} if winners else {}),
            **exactness(self.experiment, self._device),
        }

    def tags(self) -> dict[str, str]:
        """Role and task, and those given."""
        own = {tags.ROLE: self.role, tags.PREPARED: self._prepare.digest} | exactness_tags(self.experiment)
        return own | ({tags.TASK: self.task} if self.task else {}) | dict(self._tags)

    def parameters(self) -> dict[str, Any]:
        """Of all its networks."""
        return parameters_of(self.experiments)

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Train all seeds or replicates, log curves, save weights."""
        from pipeline.analysis.fallbacks import note
        from pipeline.steps.runs.curves import best, history, kept
        from pipeline.training import saved
        from pipeline.training.slot import slots_of

        prepared = opened(self._prepare, self.experiment, self.reads_all)
        log_datasets(run, prepared, ("train", "validation"))
        if self.winners:
            run.text(json.dumps(list(self.winners), indent=1, sort_keys=True), WINNERS)
        trained = [on_device(it, self._device) for it in self.experiments]
        slots = slots_of(trained, prepared)
        states = self._fit(context, run, prepared, slots)
        if lost := [state.name for state in states if state.status == "diverged"]:
            raise Diverged(
                f"{self.title}: {', '.join(lost)} diverged (weights or losses became infinite or beyond 2^64): "
                "lower training.learning_rate or set training.clip_norm"
            )
        run.metrics(best(kept(states), self.experiment))
        saved.save(folder, prepared, slots, states)
        learnt = history(states)
        if found := note(self.experiment.balancing.method, learnt):
            run.tags({tags.FALLBACKS: found})
        learnt.to_parquet(folder / HISTORY, index=False)
        run.artifacts(folder)

    def check_size(self, context: Context) -> None:
        """See `Step`: before the study is done, winners are as large as what is searched."""
        from pipeline.training.slot import slots_of
        from pipeline.training.workers.memory import check

        tuning, open_study = self.experiment.tuning, self.study is not None and self.study.result is None
        trained = [self.experiment] * self.experiment.replicates if open_study else self.experiments
        prepared = opened(self._prepare, self.experiment, self.reads_all)
        slots = slots_of([on_device(it, self._device) for it in trained], prepared)
        if context.scheduler.trains_here:
            check(prepared, slots, setting="tuning.replicates" if self.study and tuning and tuning.replicates else "")

    def settle(self, context: Context) -> None:
        """Remove the checkpoint."""
        self._checkpoints(context).delete_folder()

    def _checkpoints(self, context: Context) -> "Place":
        """Where its checkpoint lies; elsewhere than in the project folder under a name that people can read, too."""
        key = self.digest if context.checkpoints is None else f"{self.experiment.name}-{self.digest}"
        return context.checkpoints_folder(key)

    def _fit(self, context: Context, run: "Run", prepared: Any, slots: Sequence[Any]) -> list[Any]:
        from pipeline.data.plan import dropped
        from pipeline.steps.runs.curves import Live
        from pipeline.training.checkpoint import Checkpoint
        from pipeline.training.length import length_of
        from pipeline.training.loop import fit

        first = prepared.view(slots[0].replicate, slots[0].fold)
        rows, data = first.train_rows, self.experiment.data
        left_out = dropped(rows, data.mix, data.effective_temperature)
        for source in left_out.keys() & first.sources:
            said = f"an epoch leaves out {left_out[source]} of {rows[source]} rows of {source}"
            context.console.detail(f"data.mix={data.mix}: {said}")
        checkpoint = Checkpoint(self._checkpoints(context) / "checkpoint.safetensors")
        resumed = checkpoint.read() if context.resume else {}
        if resumed:
            done = max(state.done for state in resumed.values())
            context.console.line(f"{self.title}: resumed after {done} updates")
        looks = len(length_of(first, self.experiment).looks)
        live = Live(run, [slot.name for slot in slots], resumed)
        with (
            context.console.bar(self.title, looks) as bar,
            context.scheduler.pool(prepared, slots) as pool,
        ):

            def at_barrier(states: list[Any]) -> list[str]:
                bar.at(live.add(states))
                return []

            states = fit(pool, prepared, slots, at_barrier, checkpoint, resumed)
            live.log()
            return states
