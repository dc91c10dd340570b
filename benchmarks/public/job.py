"""One job: public data, a recipe and a seed, through the steps of the product; only nothing is tracked."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.project import REPOSITORY
from benchmarks.public.loop import RUNS, looped
from benchmarks.public.recipes import LOOP, Recipe
from benchmarks.public.tables import Public
from benchmarks.truth.compared import comparison_of
from benchmarks.truth.job import project, told, untracked
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.references import every_reference
from pipeline.analysis.statistics.decision import Decision, decide_between
from pipeline.analysis.tables import primary
from pipeline.config import Experiment, load, under_base, with_values
from pipeline.config.compare import EQUAL, TUNED
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.test_split import open_test_split
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.steps.candidates import job_arms, winners
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import perform
from pipeline.studies.compare.run import training
from pipeline.training.length import length_of

SETTINGS: Mapping[str, Any] = {
    "data.test": 0.2,
    "baselines.reference": False,
    "slots": 8,
    "processes": 1,
    "device": "cpu",
}
"""Of every job, as `--set` gives them. The reference is computed here, without a limit of time that matters."""

REFERENCE_S = 1_800.0
_REPLICATES = 5


def answered(public: Public, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Run a job to its answer.

    Returns:
        rows (of training), updates, trials; decision, delta_m, low, high, se, unfinished; as JSON by task: `tasks`
        (mean, se and p of the differences), `networks` (each replicate's score of both arms, in the metric that
        decides), `references`; cpu_s.
    """
    began = time.process_time()
    with project() as folder:
        found = _looped if recipe.name == LOOP else _run
        row = found(written(public, recipe, seed, folder), recipe, folder)
    return row | {"cpu_s": round(time.process_time() - began, 1)}


def written(public: Public, recipe: Recipe, seed: int, folder: Path) -> Experiment:
    """The experiment that ships or is drafted, as a recipe runs it, in a project's folder."""
    (folder / "MLproject").touch()
    file = folder / "experiments" / f"{public.name.replace(' ', '_')}.yaml"
    file.parent.mkdir()
    table = folder / f"{file.stem}.csv"
    if public.frame:
        public.frame().to_csv(table, index=False)
    if public.ships:
        shutil.copy(REPOSITORY / "experiments" / file.name, file)
        (file.parent / "data").symlink_to(REPOSITORY / "experiments" / "data")
    else:
        file.write_text(draft_table(table, parse(public.asked), file.stem, folder), encoding="utf-8")
    trials = {"tuning.trials": _REPLICATES * (3 if public.many else 6)}
    return load(str(file), {**SETTINGS, **trials, **public.settings, **recipe.settings, "seed": seed}, folder)


def _run(experiment: Experiment, recipe: Recipe, folder: Path) -> dict[str, Any]:
    prepared = _prepared(experiment, folder)
    updates = recipe.times * length_of(prepared, under_base(experiment)).updates
    if recipe.times != 1:
        assert experiment.tuning is not None
        longer = {"tuning.base": {**experiment.tuning.base, "training.epochs": None, "training.updates": updates}}
        experiment = with_values(experiment, longer)
    context = untracked(experiment, folder)
    experiment = context.experiment
    prepare = Prepare(experiment, folder)
    against = (EQUAL, TUNED) if recipe.compares else ()
    trained = [winners(arm, prepare, "cpu") for arm in job_arms(experiment)]
    if recipe.compares:
        trained = training(experiment, prepare)
    evaluate = Evaluate(trained[0].experiment, prepare, trained, against=against)
    evaluation = Evaluation.load(perform(context, evaluate).folder)
    assert experiment.tuning is not None
    return {
        "rows": sum(prepared.train_rows.values()),
        "updates": updates,
        "trials": experiment.tuning.trials,
        **_told(_decision(evaluation, experiment, recipe)),
        "networks": json.dumps(_networks(evaluation)),
        "references": json.dumps(_references(prepared, experiment) if recipe.has_references else {}),
    }


def _looped(experiment: Experiment, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The plain loop on each task alone."""
    prepared = _prepared(experiment, folder)
    scores = {task: {LOOP: looped(prepared, task, RUNS)} for task in experiment.tasks}
    return {"rows": sum(prepared.train_rows.values()), "networks": json.dumps(scores)}


def _prepared(experiment: Experiment, folder: Path) -> Prepared:
    context = untracked(experiment, folder)
    return open_prepared(perform(context, Prepare(experiment, folder)).folder)


def _decision(evaluation: Evaluation, experiment: Experiment, recipe: Recipe) -> Decision:
    """As the report takes it, or the page of a comparison."""
    margin, replicates = experiment.decision.margin, experiment.replicates
    if not recipe.compares:
        return decide_between(evaluation, TUNED, SINGLE, margin, replicates=replicates)
    return comparison_of(evaluation, experiment).decision


def _told(found: Decision) -> dict[str, Any]:
    said = told(found)
    return said | {
        **{name: round(said[name], 4) for name in ("delta_m", "low", "high", "se")},
        "unfinished": "; ".join(found.unfinished),
        "tasks": json.dumps(_rounded(said["tasks"])),
    }


def _networks(evaluation: Evaluation) -> dict[str, dict[str, list[float]]]:
    """Scores of each replicate on test, by task and arm, in the metric that decides."""
    decisive = primary(evaluation.scores)[["task", "metric"]].drop_duplicates()
    found: dict[str, dict[str, list[float]]] = {}
    for (task, arm), rows in evaluation.seeds.merge(decisive).groupby(["task", "candidate"], sort=False):
        found.setdefault(str(task), {})[str(arm)] = _rounded(rows.sort_values("seed")["value"].tolist())
    return found


def _references(prepared: Prepared, experiment: Experiment) -> dict[str, dict[str, float]]:
    """Scores on test of the constant prediction, and of what learns without a network, by task."""
    found = every_reference(prepared, open_test_split(prepared), experiment.seed, REFERENCE_S).scores
    return {
        task: {method: round(float(its[task].metrics[its[task].primary].mean()), 5) for method, its in found.items()
               if task in its}
        for task in experiment.tasks
    }  # fmt: skip


def _rounded(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _rounded(it) for name, it in values.items()}
    return [_rounded(it) for it in values] if isinstance(values, list) else round(values, 5)
