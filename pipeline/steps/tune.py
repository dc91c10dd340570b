"""Tune: the study. Optuna's storage is the truth about trials, MLflow a projection of it."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, implementations, values_read
from pipeline.config.load import STORAGE
from pipeline.machine import cores
from pipeline.steps.context import Context
from pipeline.steps.data import ALL_ROWS, log_datasets, opened
from pipeline.steps.device import exactness, exactness_tags, on_device
from pipeline.steps.runs.parameters import parameters
from pipeline.steps.step import KEY_FILE, KeyUnknownError, Step, check_settled, is_forced
from pipeline.tracking import tags
from pipeline.tracking.keys import Key
from pipeline.tracking.links import run_page, whole
from pipeline.urls import hung_from

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from pipeline.data.prepared import Prepared
    from pipeline.tracking.run import Run
    from pipeline.training.places import Place
    from pipeline.training.slot import Slot
    from pipeline.tuning.lease import Lease, Register

WINNERS, TRIALS = "winners.json", "trials.parquet"
_LENGTH = ("trials", "timeout")  # parts of the key that are none of the study's identity


class Tune(Step):
    """The study of an experiment.

    Args:
        experiment: With what is searched.
        prepare: Prepares the data.
        device: Resolved.
        arm: Whose study it is, where it is not the experiment's own.
        title: Of the step.
        reads_all: It learns from all rows but validation, where every row tests, and not from each replicate's.
    """

    name = "tune"
    packages = ("optuna",)

    def __init__(
        self,
        experiment: Experiment,
        prepare: Step,
        device: str,
        arm: str = "",
        title: str = "tune",
        reads_all: bool = False,
    ) -> None:
        self.experiment, self.title = experiment, title
        self.inputs = (prepare,)
        self._prepare, self._device, self._arm, self._reads_all = prepare, device, arm, reads_all
        self._at_hand: tuple[Study, Register, Lease] | None = None
        self._opened: tuple[Study, Lease, Place] | None = None

    def identity(self) -> Key:
        """What makes it this study: all but the number of trials and the time it may take."""
        return Key({name: it for name, it in self.key().parts.items() if name not in _LENGTH})

    def values(self) -> dict[str, Any]:
        """What makes it this study."""
        return values_read(self.experiment, "study") | {"tuning.replicates": self.experiment.replicates}

    def implementations(self) -> set[str]:
        """See `Step`: of all choices that are searched."""
        return implementations(self.experiment, "study")

    def reads(self) -> dict[str, Any]:
        """Where it is searched, how many trials, and how long."""
        check_settled(self.experiment, self._prepare, self.title)
        tuning = self.experiment.tuning
        assert tuning is not None
        return {
            **exactness(self.experiment, self._device),
            "trials": self.experiment.trials,
            "timeout": tuning.timeout,
            **(ALL_ROWS if self._reads_all else {}),
        }

    def winners(self) -> list[dict[str, Any]]:
        """The values that each replicate's study chose, by dotted key.

        Raises:
            KeyUnknownError: The study is not done.
        """
        if self.result is None:
            raise KeyUnknownError(self.title)
        return [it["values"] for it in winners_in(self.outputs)]

    def parameters(self) -> dict[str, Any]:
        """What every trial has in common, and what is searched."""
        return parameters(self.experiment)

    def tags(self) -> dict[str, str]:
        """Which prepared data are searched on, and for which arm."""
        arm = {tags.ARM: self._arm} if self._arm else {}
        return {tags.PREPARED: self._prepare.digest} | arm | exactness_tags(self.experiment)

    def join(self, context: Context) -> None:
        """Lend this machine to whoever holds the study's lease, until that is done or gone."""
        from pipeline.training.workers.ray.lent import LentNode
        from pipeline.tuning.guest import Guest
        from pipeline.tuning.storage import storage_failures

        _, _, lease = self._open(context)
        cpus, gpus, what = _lent(self.experiment, self._device)
        guest = Guest(
            lambda found: LentNode(found, cpus, gpus), what, partial(self._say, context), context.console.warn
        )
        with storage_failures(), closing(guest):
            others = False
            for holder in lease.others(context.resume):
                others = True
                guest.meet(holder)
        if not others:
            self._say(context, "--join: nobody else runs this study now, so this process does")

    @contextmanager
    def held(self, context: Context) -> Iterator[None]:
        """Hold the study's lease, so that no other process coordinates it, here or elsewhere."""
        from pipeline.tuning.storage import storage_failures

        study, register, wanted = self._open(context)
        with storage_failures(), wanted.held(context.resume) as lease:
            if lease.former:
                context.tracker.end_orphaned_runs(gone=lease.former)
            place = context.checkpoints_folder(study.study_name, register.own_name())
            place = replace(place, allowed=lease.check, ending=lease.ending)
            self._opened = study, lease, place
            try:
                yield
            finally:
                self._opened = self._at_hand = None

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Bring the study to its number of trials and find the winner of each replicate."""
        from pipeline.steps.runs.curves import best
        from pipeline.steps.runs.projection import Projection
        from pipeline.tuning.in_flight import advice
        from pipeline.tuning.search import Callbacks, search
        from pipeline.tuning.study import describe, table, winners

        in_all = self.experiment.trials
        prepared = opened(self._prepare, self.experiment, self._reads_all)
        log_datasets(run, prepared, ("train", "validation"))
        assert self._opened is not None, "held() is entered first"
        study, lease, checkpoints = self._opened
        name = study.study_name
        run.tags({tags.STUDY: name})
        page = whole(context.project, run_page(context.tracker.experiment_id, run.id))
        where = {"mlflow_run": run.id, "mlflow_page": page}
        describe(study, self.experiment, self._arm, where)
        trained = on_device(self.experiment, self._device)
        with (
            context.console.bar(self.title, in_all) as bar,
            context.scheduler.pool(
                prepared, self._in_flight(trained, prepared), in_all * (trained.training.folds or 1)
            ) as pool,
        ):
            for line in advice(trained, pool.hosts(), context.scheduler.trains_here):
                context.console.detail(line)
            projection = Projection(context, run, self.experiment, name, self._prepare.digest, bar)

            def project(*finished: Any) -> None:
                lease.check()
                projection.trial(*finished)

            callbacks = Callbacks(batch=projection.batch, trial=project)
            search(study, trained, prepared, pool, checkpoints, callbacks)
            if lacking := projection.complete(study.get_trials(deepcopy=False)[:in_all]):
                context.console.detail(
                    f"{self.title}: {lacking} trials had no run in MLflow, since who trained them ended or tracked "
                    "elsewhere: written as the study has them"
                )
        lease.finished()
        if context.checkpoints:
            checkpoints.delete_folder()
        trials = table(study).head(in_all)
        if len(trials) < in_all:
            context.console.detail(f"tuning.timeout cut the study: {len(trials)} of {in_all} trials")
            run.tags({tags.CUT: f"{len(trials)} of {in_all} trials"})
        found = winners(study, in_all, self.experiment.replicates)
        trials.to_parquet(folder / TRIALS, index=False)
        trials.drop(columns="seconds").to_csv(folder / "trials.csv", index=False)
        chosen = [_winner(trial) for trial in found]
        (folder / WINNERS).write_text(json.dumps({"study": name, "winners": chosen}, indent=1, sort_keys=True))
        run.metrics(best(_means(chosen), self.experiment))
        run.tags({tags.WINNER: ", ".join(f"trial {trial.number}" for trial in found)})
        run.artifacts(folder)

    def check_size(self, context: Context) -> None:
        """See `Step`: of as many trials as train together, as large as the experiment."""
        from pipeline.training.workers.memory import check

        prepared = opened(self._prepare, self.experiment, self._reads_all)
        if context.scheduler.trains_here:
            check(prepared, self._in_flight(on_device(self.experiment, self._device), prepared))

    def _open(self, context: Context) -> "tuple[Study, Register, Lease]":
        """The study, its attributes and its lease, which nobody holds yet; opened once."""
        from pipeline.tuning.lease import OWN_CLUSTER, Lease, Register
        from pipeline.tuning.patience import Patience
        from pipeline.tuning.storage import storage_failures
        from pipeline.tuning.study import open_storage, study_in

        if self._at_hand is None:
            say = partial(self._say, context)
            patience = Patience(say)
            url, lock = storage_url(self.experiment, context.project), context.work / "locks" / "optuna.lock"
            storage = open_storage(url, lock, patience)
            with storage_failures():
                name = self._study(context, storage)
                study = study_in(storage, name)
                register = Register(storage, storage.get_study_id_from_name(name))
            cluster = None
            if context.engine is not None:
                cluster = context.engine.cluster.address if context.engine.cluster else OWN_CLUSTER
            self._at_hand = study, register, Lease(register, patience, say, cluster=cluster)
        return self._at_hand

    def _say(self, context: Context, line: str) -> None:
        context.console.line(f"{self.title}: {line}")

    def _in_flight(self, trained: Experiment, prepared: "Prepared") -> "list[Slot]":
        """The slots of the trials that train at the same time."""
        from pipeline.training.slot import batch_slots
        from pipeline.tuning.in_flight import trials_in_flight

        return batch_slots(dict.fromkeys(range(trials_in_flight(trained)), trained), prepared)

    def _study(self, context: Context, storage: "BaseStorage") -> str:
        """The name of the study of this identity, or of a new one; what a new one differs in from the last is said."""
        from pipeline.tuning.study import newest_of

        identity = self.identity()
        where = f"tags.`{tags.STEP}` = 'tune' and tags.`{tags.EXPERIMENT}` = '{self.experiment.name}'"
        found = context.tracker.runs(f"{where} and tags.`{tags.KEY}` LIKE '%'")
        runs = [run for run in found if tags.STUDY in run.data.tags]
        alike = [run for run in runs if run.data.tags.get(tags.ARM, "") == self._arm]
        stem = f"{self.experiment.name}-{identity.digest[:12]}"
        tracked = [run.data.tags[tags.STUDY] for run in runs]
        newest = newest_of((*tracked, *(it.study_name for it in storage.get_all_studies())), stem)
        if alike and not newest and not self._arm:
            self._say_new(context, alike[0].info.run_id)
        number = newest + 1 if is_forced(context, self) else max(newest, 1)
        return stem if number == 1 else f"{stem}#{number}"

    def _say_new(self, context: Context, last: str) -> None:
        """Say what the study differs in from the last one."""
        from pipeline.tuning.study import difference

        parts = context.tracker.json_artifact(last, KEY_FILE) or {}
        before = {name: part for name, part in parts.items() if name not in _LENGTH}
        context.console.detail(f"a new study, since {difference(before, self.identity().parts)}")


def storage_url(experiment: Experiment | None, project: Path) -> str:
    """Where studies are kept: `tuning.storage`, its file hung from the project folder; by default optuna.db there.

    Args:
        experiment: None for the storage of experiments that name none of their own.
        project: The project folder.
    """
    own = experiment.tuning.storage if experiment and experiment.tuning else None
    url = own or (None if experiment else os.environ.get(STORAGE)) or "sqlite:///optuna.db"
    return hung_from(project, url)


def check_storage_of(experiment: Experiment, project: Path) -> None:
    """Find out within seconds whether studies can be kept there; the default needs no check.

    Raises:
        UserError: The address is wrong.
        Failure: Nothing answers there.
    """
    if experiment.tuning is not None and experiment.tuning.storage is not None:
        from pipeline.tuning.storage import check_storage

        check_storage(storage_url(experiment, project))


def _lent(experiment: Experiment, device: str) -> tuple[int, int | None, str]:
    """Cores and GPUs that this machine gives to a study (None: all GPUs), and that in words."""
    count = experiment.processes
    if device == "cuda":
        return cores(), None if count == "auto" else count, "the GPUs" if count == "auto" else f"{count} of the GPUs"
    count = cores() if count == "auto" else count
    return count, 0, f"{count} of the cores"


def winners_in(folder: Path) -> list[dict[str, Any]]:
    """Of each replicate: replicate, number (of the trial), objective (on validation), values; maybe standard_error.

    The objective is None where it is no number.
    """
    return json.loads((folder / WINNERS).read_text())["winners"]


def mean_objective(winners: Sequence[Mapping[str, Any]]) -> float:
    """Over replicates; NaN where one has none."""
    return fmean(math.nan if it["objective"] is None else it["objective"] for it in winners)


def _winner(trial: "FrozenTrial") -> dict[str, Any]:
    """A replicate's winner as plain data."""
    from pipeline.tuning.study import ERROR, REPLICATE, VALUES

    winner = {
        "replicate": trial.user_attrs[REPLICATE],
        "number": trial.number,
        "objective": trial.value,
        "values": trial.user_attrs[VALUES],
    }
    return winner | ({"standard_error": trial.user_attrs[ERROR]} if ERROR in trial.user_attrs else {})


def _means(best: list[dict[str, Any]]) -> dict[str, float]:
    """The winners' mean objective, and where it is one over folds the mean standard error of one."""
    from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR

    found = {OBJECTIVE: mean_objective(best)}
    errors = [it["standard_error"] for it in best if "standard_error" in it]
    return found | ({STANDARD_ERROR: fmean(errors)} if errors else {})
