"""Whether a change of the code leaves every trained value as it was: checksums of models and studies.

    python -m benchmarks.unchanged --record     (at the first commit of a change)
    python -m benchmarks.unchanged              (from then on: exits with 1 where one differs)

A model's sum is of its tensors' names, types, shapes and bytes, a study's of its `trials.csv`. On another processor, or
with another torch, the recorded commit is trained here first, in a worktree.
"""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import safetensors

from benchmarks.common import machine
from benchmarks.common.project import REPOSITORY, checkout, environment, project_in

RECORD = Path(__file__).parent / "records" / "unchanged.json"
_STUDY = ("tuning.trials=10",)  # `auto` follows this machine's speed
CASES: Mapping[str, tuple[str, ...]] = {
    "debug": ("debug",),
    "digits": ("digits", *_STUDY),
    "mnist_fashion": ("mnist_fashion", *_STUDY),
    "census": ("census", *_STUDY),
    "digits_present": ("digits_present", *_STUDY),
    "multi_mnist, mgda": ("multi_mnist", "balancing.method=mgda", "tuning=null"),
    "multi_mnist, famo": ("multi_mnist", "balancing.method=famo", "tuning=null"),
    "social_text": ("social_text", "training.epochs=2", "training.updates=auto", "tuning=null"),
}
"""An experiment, and what is set in it; one whose study is off has a model alone."""


@click.command()
@click.option("--record", is_flag=True, help="Write the sums that later runs are held to.")
@click.option("--text", type=click.Path(path_type=Path, exists=True, file_okay=False), help="data.root of social_text.")
@click.option("--only", default="", help="Only cases that have this in their names.")
def main(record: bool, text: Path | None, only: str) -> None:
    """Train all cases and compare."""
    cases = {name: it for name, it in CASES.items() if only in name and (text or name != "social_text")}
    described = machine.describe()
    processor = " ".join([described["processor"], *described["units"]])
    about = {"processor": processor, "torch": importlib.metadata.version("torch")}
    if record:
        if _git("status", "--porcelain", "--", "pipeline", "experiments"):
            raise click.ClickException("the code has changes that are not committed: a record names its commit")
        about |= {"commit": _git("rev-parse", "HEAD")}
        found = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        sums = found["sums"] if {name: found.get(name) for name in about} == about else {}
        for name, it in cases.items():
            sums |= {} if name in sums else {name: _sums(REPOSITORY, it, text)}
            RECORD.write_text(json.dumps(about | {"sums": sums}, indent=1) + "\n")
        return
    if not RECORD.exists():
        raise click.ClickException("nothing is recorded yet: begin with --record")
    recorded = json.loads(RECORD.read_text())
    here, there = {name: _sums(REPOSITORY, it, text) for name, it in cases.items()}, recorded["sums"]
    if any(recorded[name] != value for name, value in about.items()):
        click.echo(f"recorded on another machine or torch: {recorded['commit'][:7]} is trained here first")
        with checkout(recorded["commit"]) as place:
            there = {name: _sums(place, it, text) for name, it in cases.items()}
    differing = [name for name in cases if here[name] != there.get(name)]
    for name in cases:
        click.echo(f"{name}: {'DIFFERS' if name in differing else 'equal'}")
    if differing:
        raise SystemExit(1)


def _sums(place: Path, case: tuple[str, ...], text: Path | None) -> dict[str, str]:
    """Checksums of the model as written and of the study, trained by a checkout's code."""
    name, *values = case
    if name == "social_text":
        values.append(f"data.root={text}")
    steps = {"train": "model.safetensors"} | ({} if "tuning=null" in values else {"tune": "trials.csv"})
    with TemporaryDirectory() as folder:
        project = project_in(Path(folder), place)
        made = {step: _outputs(place, project, step, name, values) / file for step, file in steps.items()}
        return {step: _of_model(it) if it.suffix == ".safetensors" else _of_file(it) for step, it in made.items()}


def _outputs(place: Path, project: Path, step: str, name: str, values: list[str]) -> Path:
    """The folder of outputs of a step's run.

    Raises:
        RuntimeError: The command failed.
    """
    words = [sys.executable, "-m", "pipeline", step, name, "--json", *(word for it in values for word in ("--set", it))]
    told = subprocess.run(words, cwd=project, env=environment() | {"PYTHONPATH": str(place)}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    if told.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{told.stdout}{told.stderr}")
    steps: list[dict[str, Any]] = json.loads(told.stdout)["steps"]
    return Path(next(it["outputs"] for it in steps if it["step"] in (step, f"{step} default")))


def _of_model(path: Path) -> str:
    """Of all tensors, whatever the file's metadata and order."""
    found = hashlib.sha256()
    with safetensors.safe_open(path, "np") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            found.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            found.update(tensor.tobytes())
    return found.hexdigest()


def _of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
