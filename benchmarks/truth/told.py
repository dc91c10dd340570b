"""One job as a user runs it: the table as a CSV file, `headway init`, `headway run`, and what these say."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.common.project import run
from benchmarks.truth.families import Family
from benchmarks.truth.job import NAME, project, redrawn, settings_of, written
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.config.compare import TUNED


def told(family: Family, seed: int) -> dict[str, Any]:
    """The decision and delta-m of a job that is run by its commands."""
    return redrawn(_told, family, seed, RuntimeError)


def _told(family: Family, seed: int) -> dict[str, Any]:
    with project() as folder:
        (folder / "MLproject").touch()
        headway = [sys.executable, "-m", "pipeline"]
        table = written(family, seed, folder).name
        drafting = run([*headway, "init", table, "--targets", family.targets], folder)
        values = [word for key, value in settings_of(family).items() for word in ("--set", f"{key}={value}")]
        running = run([*headway, "run", NAME, *values], folder)
        outputs = folder / ".headway" / "outputs"
        (decision,) = outputs.glob("*/decision.json")
        (evaluated,) = outputs.glob("*/delta_m.csv")
        return {
            "decision": json.loads(decision.read_text(encoding="utf-8"))["decision"],
            "delta_m": _delta_m(evaluated.parent),
            "cpu_s": drafting.cpu_seconds + running.cpu_seconds,
        }


def _delta_m(folder: Path) -> float:
    rows = Evaluation.load(folder).delta_m
    (found,) = rows[(rows["candidate"] == TUNED) & (rows["against"] == SINGLE)]["mean"]
    return float(found)
