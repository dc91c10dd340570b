"""One comparison of ways to choose the task weights, through the steps of the product; only nothing is tracked."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.truth.families import Family
from benchmarks.truth.job import drafted, project, redrawn, settings_of, untracked, written
from benchmarks.truth.judged import CLAIMS
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.config import Experiment
from pipeline.config.compare import EQUAL, TUNED
from pipeline.errors import UserError
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import perform
from pipeline.studies.compare.comparison import REFERENCES, Comparison
from pipeline.studies.compare.run import training


def compared(family: Family, seed: int) -> dict[str, Any]:
    """Compare the default methods on a data set: the decision of the page, and the arms that claim a difference."""
    return redrawn(_compared, family, seed, UserError)


def comparison_of(evaluation: Evaluation, experiment: Experiment) -> Comparison:
    """What the page of a comparison decides by; what it only shows is left out."""
    nothing = pd.DataFrame()
    return Comparison(
        experiment.name, evaluation, contrasts(evaluation, REFERENCES), nothing, {}, None, {}, experiment.trials,
        experiment.replicates, nothing, margin=experiment.decision.margin,
    )  # fmt: skip


def _compared(family: Family, seed: int) -> dict[str, Any]:
    began = time.process_time()
    with project() as folder:
        experiment = drafted(family, written(family, seed, folder), folder, settings_of(family))
        found = comparison_of(_evaluated(experiment, folder), experiment)
        claims = [f"{arm} {it.word} against {against}" for (arm, against), it in found.decisions.items()
                  if it.word in CLAIMS]  # fmt: skip
    assert found.decision.delta is not None
    return {
        "decision": found.decision.word,
        "delta_m": found.decision.delta.mean,
        "claims": "; ".join(claims),
        "cpu_s": time.process_time() - began,
    }


def _evaluated(experiment: Experiment, folder: Path) -> Evaluation:
    context = untracked(experiment, folder)
    prepare = Prepare(context.experiment, folder)
    trained = training(context.experiment, prepare)
    evaluate = Evaluate(trained[0].experiment, prepare, trained, against=(EQUAL, TUNED))
    return Evaluation.load(perform(context, evaluate).folder)
