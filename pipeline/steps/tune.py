"""Tune: the study. Optuna's storage is the truth about trials, MLflow a projection of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.device import exactness, on_device
from pipeline.steps.step import KEY_FILE, Step
from pipeline.steps.train import READS, log_datasets, read_values
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

WINNER, TRIALS = "winner.json", "trials.parquet"
_TUNE_RUNS = f"tags.`{tags.STEP}` = 'tune' and tags.`{tags.KEY}` LIKE '%'"
_SQLITE = "sqlite:///"
_SEARCHES = (*READS, "tuning.space", "tuning.batch", "tuning.sampler", "tuning.pruner")


class Tune(Step):
    """The study of an experiment.

    Args:
        experiment: What to search.
        prepared: Key of the prepare step.
        device: Resolved.
        arm: Of a comparison, whose study it is.
    """

    name = "tune"

    def __init__(self, experiment: Experiment, prepared: str, device: str, arm: str = "") -> None:
        self.experiment = experiment
        self._prepared, self._device, self._arm = prepared, device, arm
        self.title = f"tune arm {arm}" if arm else "tune"

    def identity(self) -> Key:
        """What makes it this study: all but the number of trials and the time it may take."""
        values = read_values(self.experiment, _SEARCHES)
        values.pop("training.seeds", None)  # trials have streams of their own
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("optuna"),
                "values": values,
                **exactness(self.experiment, self._device),
                "upstream": {"prepare": self._prepared},
            }
        )

    def key(self) -> Key:
        """The study's identity, how many trials, and how long."""
        tuning = self.experiment.tuning
        assert tuning is not None
        return Key({**self.identity().parts, "trials": tuning.trials, "timeout": tuning.timeout})

    def tags(self) -> dict[str, str]:
        """Which prepared data are searched on."""
        return {tags.PREPARED: self._prepared} | ({tags.ARM: self._arm} if self._arm else {})

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Bring the study to its number of trials and find its winner."""
        from pipeline.data.prepared import open_prepared
        from pipeline.steps.trials import Projection
        from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
        from pipeline.training.slot import batch_slots
        from pipeline.tuning.search import Callbacks, search
        from pipeline.tuning.study import ERROR, VALUES, table, winner

        tuning = self.experiment.tuning
        assert tuning is not None
        prepared = open_prepared(context.prepared_folder(self._prepared)).only(self.experiment.tasks)
        log_datasets(run, context, self._prepared, ("train", "validation"))
        study, name = self._study(context)
        run.tags({tags.STUDY: name})
        trained = on_device(self.experiment, self._device)
        batch = batch_slots(dict.fromkeys(range(min(tuning.batch, tuning.trials)), trained))
        in_all = tuning.trials * (trained.training.folds or 1)
        with (
            context.say.bar(self.title, tuning.trials) as bar,
            context.foreman.crew(prepared, batch, in_all) as crew,
        ):
            projection = Projection(context, run, self.experiment, name, self._prepared, bar)
            callbacks = Callbacks(batch=projection.batch, trial=projection.trial)
            search(study, trained, prepared, crew, context.checkpoints_folder(name), callbacks)
        trials = table(study).head(tuning.trials)
        if len(trials) < tuning.trials:
            context.say.line(f"  tuning.timeout cut the study: {len(trials)} of {tuning.trials} trials")
            run.tags({tags.CUT: f"{len(trials)} of {tuning.trials} trials"})
        best = winner(study, tuning.trials)
        trials.to_parquet(folder / TRIALS, index=False)
        trials.drop(columns="seconds").to_csv(folder / "trials.csv", index=False)
        told = {
            "study": name,
            "number": best.number,
            "objective": best.value,
            "values": best.user_attrs[VALUES],
        }
        metrics = {OBJECTIVE: best.value or float("nan")}
        if ERROR in best.user_attrs:
            metrics[STANDARD_ERROR] = told["standard_error"] = best.user_attrs[ERROR]
        (folder / WINNER).write_text(json.dumps(told, indent=1, sort_keys=True))
        run.metrics(metrics, step=tuning.trials)
        run.tags({tags.WINNER: f"trial {best.number}"})
        run.artifacts(folder)

    def _study(self, context: Context) -> tuple[Any, str]:
        """The study of this identity, or a new one; what a new one differs in from the last is said."""
        from pipeline.tuning.study import open_study

        identity = self.identity()
        runs = [run for run in context.tracker.runs(_TUNE_RUNS) if tags.STUDY in run.data.tags]
        stem = f"{self.experiment.name}-{identity.digest[:12]}"
        own = [name for run in runs if (name := run.data.tags[tags.STUDY]).split("#")[0] == stem]
        forced = bool({self.name, self.title} & context.force)
        name = f"{stem}#{len(set(own)) + 1}" if forced and own else own[0] if own else stem
        if runs and not own and not self._arm:
            self._say_new(context, runs[0].info.run_id)
        study = open_study(name, storage_url(self.experiment, context.project), context.work / "locks" / "optuna.lock")
        return study, name

    def _say_new(self, context: Context, last: str) -> None:
        """Say what the study differs in from the last one."""
        from pipeline.tuning.study import difference

        parts = context.tracker.json_artifact(last, KEY_FILE) or {}
        before = {name: part for name, part in parts.items() if name not in ("trials", "timeout")}
        context.say.line(f"  a new study, since {difference(before, self.identity().parts)}")


def storage_url(experiment: Experiment, project: Path) -> str:
    """Where studies are kept: `tuning.storage`, its file hung from the project folder; by default optuna.db there."""
    url = (experiment.tuning.storage if experiment.tuning else None) or f"{_SQLITE}optuna.db"
    return f"{_SQLITE}{project / url.removeprefix(_SQLITE)}" if url.startswith(_SQLITE) else url


def check_storage_of(experiment: Experiment, project: Path) -> None:
    """Find out within seconds whether studies can be kept there; the default needs no check.

    Raises:
        UserError: The address is wrong.
        Failure: Nothing answers there.
    """
    if experiment.tuning is not None and experiment.tuning.storage is not None:
        from pipeline.tuning.storage import check_storage

        check_storage(storage_url(experiment, project))


def winner_of(folder: Path) -> dict[str, Any]:
    """The values of the best trial by dotted key."""
    values: dict[str, Any] = json.loads((folder / WINNER).read_text())["values"]
    return values
