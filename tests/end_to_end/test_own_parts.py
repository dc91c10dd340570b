"""A source, a trunk, a head, losses and metrics of one's own in one experiment: trained, tuned, evaluated, served."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import REPOSITORY, Headway

EXPERIMENT = """
sources:
  boxes: {kind: "own_parts_e2e:Boxes", arguments: {rows: 240}}
tasks:
  half: {kind: binary, source: boxes, loss: "own_parts_e2e:Smoothed", loss_arguments: {smoothing: 0.1}}
  light: {kind: regression, source: boxes, loss: "own_parts_e2e:Squared", metrics: ["own_parts_e2e_metrics:bias"]}
  marks: {kind: multilabel, source: boxes, metrics: ["own_parts_e2e_metrics:Share"]}
model:
  trunk: {kind: "own_parts_e2e:Net", arguments: {width: 6}}
  head: {kind: "own_parts_e2e:Head", arguments: {hidden: 4}}
training: {epochs: 2, seeds: 2}
data: {test: 0.2}
tuning: {trials: 2, batch: 2, space: {balancing.weights: simplex}}
processes: 2
"""


def placed(project: Path) -> None:
    source = REPOSITORY / "tests" / "testing" / "parts.py"
    shutil.copy(source, project / "own_parts_e2e.py")
    shutil.copy(source, project / "own_parts_e2e_metrics.py")
    (project / "experiments" / "boxes.yaml").write_text(EXPERIMENT)


def cached(headway: Headway, *args: str) -> dict[str, bool]:
    ran = headway("run", "boxes", "--json", *args)
    assert ran.code == 0, ran.err
    return {step["step"]: step["cached"] for step in ran.json["steps"]}


def test_the_whole_job_with_parts_of_ones_own(project: Path, headway: Headway) -> None:
    placed(project)
    ran = headway("run", "boxes", "--json")
    assert ran.code == 0, ran.err
    (scores,) = (project / ".headway" / "outputs").glob("*/scores.csv")
    found = pd.read_csv(scores)
    own = found[found["metric"].isin(["bias", "Share"])]
    assert {*zip(own["task"], own["metric"], strict=True)} == {("light", "bias"), ("marks", "Share")}
    assert np.isfinite(own["mean"]).all()
    assert own[own["metric"] == "Share"]["mean"].between(0.3, 0.7).all()

    rows = pd.DataFrame(np.random.default_rng(0).integers(0, 256, (5, 64)), columns=[f"pixel_{i}" for i in range(64)])
    rows.to_csv(project / "rows.csv", index=False)
    told = headway("predict", "--model", "models:/boxes@champion", "--input", "rows.csv", "--output", "scored.csv")
    assert told.code == 0, told.err
    assert np.isfinite(pd.read_csv(project / "scored.csv")["light/value"]).all()

    assert all(cached(headway).values())
    metrics = project / "own_parts_e2e_metrics.py"
    metrics.write_text(metrics.read_text() + "\n# changed\n")
    steps = cached(headway)
    assert {name for name, hit in steps.items() if not hit} == {"evaluate", "report"}


def test_what_breaks_a_protocol_is_one_line_before_anything_is_done(project: Path, headway: Headway) -> None:
    placed(project)
    wrong = {
        ('own_parts_e2e:Squared"', 'own_parts_e2e:Broadcast"'): "tasks.light: loss 'own_parts_e2e:Broadcast' should",
        ("own_parts_e2e_metrics:bias", "own_parts_e2e_metrics:infinite"): "tasks.light: metric 'own_parts_e2e_metrics",
        ("own_parts_e2e:Boxes", "own_parts_e2e:Rowless"): "'own_parts_e2e:Rowless' is a class",
        ("own_parts_e2e_metrics:Share", "no_such_file:Share"): "tasks.marks: there is no module 'no_such_file'",
    }
    for (old, new), line in wrong.items():
        (project / "experiments" / "boxes.yaml").write_text(EXPERIMENT.replace(old, new))
        ran = headway("run", "boxes")
        assert (ran.code, ran.err.count("\n")) == (2, 1), ran.err
        assert line in ran.err
    assert not (project / ".headway").exists()


def test_a_head_of_another_width_is_one_line(project: Path, headway: Headway) -> None:
    placed(project)
    (project / "experiments" / "boxes.yaml").write_text(EXPERIMENT.replace("e2e:Head", "e2e:NarrowHead"))
    ran = headway("train", "boxes")
    assert ran.code == 2
    assert "should answer 3 values a row as head.marks, not 1" in ran.err
