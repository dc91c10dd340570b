"""What commands cost beside training, in user CPU seconds, against another commit: the ratio of pairs, interleaved.

    python -m benchmarks.costs --against COMMIT [--pairs 6] [--only show]

Each side has a project, a cache and a checkout of its own. One round first, which is not counted, fills the caches.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.common.project import REPOSITORY, checkout, environment, project_in

HERE, THERE = "here", "there"
_MODEL = "models:/debug@champion"
_TRAINED = "mnist_fashion --quiet --force train --set processes=1"


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        checkout: Where its package is.
        folder: Of its projects.
    """

    checkout: Path
    folder: Path

    def project(self, name: str) -> Path:
        """A folder with the experiments that ship."""
        folder = self.folder / name
        return folder if folder.exists() else project_in(folder, self.checkout)

    def seconds(self, words: str, folder: Path) -> float:
        """User CPU seconds of `headway WORDS`.

        Raises:
            RuntimeError: It failed.
        """
        own = {"PYTHONPATH": str(self.checkout), "HEADWAY_CACHE": str(self.folder / "cache")}
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        told = subprocess.run([sys.executable, "-m", "pipeline", *words.split()], cwd=folder,
                              env=environment() | own, capture_output=True, text=True, check=False)  # fmt: skip
        if told.returncode:
            raise RuntimeError(f"headway {words} failed:\n{told.stdout}{told.stderr}")
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def _first(words: str) -> Callable[[Side, int], float]:
    """In a project of its own, each time."""
    return lambda side, turn: side.seconds(words, side.project(f"{words.split()[1]}-{turn}"))


def _again(words: str, name: str = "debug-0") -> Callable[[Side, int], float]:
    """In a project where it was done before."""
    return lambda side, turn: side.seconds(words, side.project(name))


def _predicted(side: Side, turn: int) -> float:
    folder = side.project("debug-0")
    rows = folder / "ten.csv"
    if not rows.exists():
        pd.DataFrame([[place % 17] * 64 for place in range(10)]).rename(columns=lambda it: f"pixel_{it}").to_csv(
            rows, index=False
        )
    return side.seconds(f"predict --model {_MODEL} --input ten.csv --output answers-{turn}.csv", folder)


COMMANDS: Mapping[str, Callable[[Side, int], float]] = {
    "run debug": _first("run debug --quiet"),
    "run debug, cached": _again("run debug --quiet"),
    "show debug": _again("show debug"),
    "predict ten rows": _predicted,
    "list": _again("list"),
    "--help": _again("--help"),
    "run mnist_fashion": _first("run mnist_fashion --quiet"),
    "training: one network": _again(f"train {_TRAINED} --set training.seeds=1 --set training.epochs=40", "trained"),
    "training: a stack of 8": _again(f"train {_TRAINED} --set training.seeds=8 --set training.epochs=12", "trained"),
    "training: a study": _again(
        "tune mnist_fashion --quiet --force tune --set processes=1 --set tuning.trials=16 --set tuning.replicates=1 "
        "--set training.epochs=3",
        "studied",
    ),
}
"""Those of training do it again in each turn, on prepared data."""


@click.command()
@click.option("--against", required=True, help="A commit.")
@click.option("--pairs", default=6, show_default=True)
@click.option("--only", default="", help="Only commands whose names contain this.")
def main(against: str, pairs: int, only: str) -> None:
    """Time both sides in turns."""
    with TemporaryDirectory() as folder, checkout(against) as other:
        sides = {HERE: Side(REPOSITORY, Path(folder) / HERE), THERE: Side(other, Path(folder) / THERE)}
        rows = []
        for name in [it for it in COMMANDS if only in it or it == "run debug"]:  # the others stand on it
            found: dict[str, list[float]] = {HERE: [], THERE: []}
            for turn in range(pairs + 1):
                for side in (HERE, THERE) if turn % 2 else (THERE, HERE):
                    seconds = COMMANDS[name](sides[side], turn)
                    if turn:
                        found[side].append(seconds)
            ratios = [one / other for one, other in zip(found[HERE], found[THERE], strict=True)]
            rows.append({"command": name, **{side: median(its) for side, its in found.items()}, "ratio": median(ratios),
                         "lowest": min(ratios), "highest": max(ratios), **_interval(ratios)})  # fmt: skip
            click.echo(", ".join(f"{key} {it:.3f}" if key != "command" else str(it) for key, it in rows[-1].items()))
    click.echo(pd.DataFrame(rows).round(3).to_string(index=False))


def _interval(ratios: list[float]) -> dict[str, float]:
    """The 95 % interval of the geometric mean."""
    logs = np.log(ratios)
    reach = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs) if len(logs) > 1 else np.nan
    return {"ci_low": float(np.exp(logs.mean() - reach)), "ci_high": float(np.exp(logs.mean() + reach))}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
