"""Makes the archives beside this file, with the code of the checkout that PYTHONPATH names; see README.md."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import pandas as pd
import yaml

HERE = Path(__file__).parent
HOME, CODE, PROCESSES = "/project", "/headway", "computer@start"
"""What stands in the archives for the folders of the project and of the code, and for the machine's name and start."""
STUDY = ("tune", "debug", "--trials", "6")

_QUICK = {"epochs": 20, "seeds": 1, "learning_rate": 0.02, "batch_size": 32}
_ONE_NETWORK = {"decision": {"margin": 100.0}, "tuning": None}  # not a network a task, however much better
_TABULAR = {"kind": "tabular", "widths": [8]}
_HOUSES: dict[str, Any] = {
    "sources": {
        "houses": {
            "kind": "table",
            "path": "houses.csv",
            "inputs": {"town": "categorical", "area": "numeric", "rooms": "numeric"},
            "labels": {"marks": ["old", "quiet"]},
        }
    },
    "tasks": {
        "price": {"kind": "regression", "source": "houses"},
        "sold": {"kind": "binary", "source": "houses"},
        "category": {"kind": "multiclass", "source": "houses"},
        "marks": {"kind": "multilabel", "source": "houses"},
    },
} | _ONE_NETWORK
_POSTS: dict[str, Any] = {
    "sources": {
        "names": {"kind": "tokens", "path": "names.conll"},
        "posts": {"kind": "text", "path": "posts.jsonl", "text": "body"},
    },
    "tasks": {
        "who": {"kind": "tagging", "source": "names"},
        "mood": {"kind": "binary", "source": "posts"},
        "stars": {"kind": "regression", "source": "posts"},
    },
    "data": {"validation": 0.2},
    "model": {"trunk": {"kind": "lstm", "embedding": 4, "widths": [4]}},
    "training": _QUICK | {"epochs": 60, "batch_size": 8},
} | _ONE_NETWORK
EXPERIMENTS: Mapping[str, Mapping[str, Any]] = {
    "table": _HOUSES | {"model": {"trunk": _TABULAR}, "training": _QUICK},
    "mmoe": _HOUSES | {"model": {"trunk": _TABULAR, "sharing": {"kind": "mmoe", "experts": 2}}, "training": _QUICK},
    "preference": _HOUSES | {"model": {"trunk": _TABULAR}, "training": _QUICK, "balancing": {"method": "cosmos"}},
    "text": _POSTS,
}
"""Beside `debug`."""
SERVED = {
    "debug": ("digits.csv", ""),
    "table": ("houses_new.csv", ""),
    "mmoe": ("houses_new.csv", ""),
    "preference": ("houses_new.csv", ""),
    "preference_asked": ("houses_new.csv", "price=2,sold=1,category=0,marks=1"),
    "text": ("new.txt", ""),
}
"""What is recorded: the rows that each model predicts, and the preference asked for."""

KEPT = ("experiment.json", "key.json")
"""What stays of what runs logged."""


def main() -> None:
    """Make both, or those that are named."""
    if sys.argv[1:] == ["killed"]:
        tune_until_killed()
    for name, fill in {"models": make_models, "study": make_study}.items():
        if name not in (sys.argv[1:] or [name]):
            continue
        with TemporaryDirectory() as folder:
            project = Path(folder) / name
            write_project(project)
            fill(project)
            pack(project)


def write_project(project: Path) -> None:
    """A project without a run."""
    (project / "experiments").mkdir(parents=True)
    repository = HERE.parents[1]
    shutil.copy(repository / "MLproject", project)
    shutil.copy(repository / "experiments" / "debug.yaml", project / "experiments")


def write_data(project: Path) -> None:
    """The other experiments, what they are trained on, and what is predicted."""
    for name, tree in EXPERIMENTS.items():
        (project / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump({"name": name} | tree, sort_keys=False))
    houses(300).to_csv(project / "houses.csv", index=False)
    houses(20, seed=1)[["town", "area", "rooms"]].to_csv(project / "houses_new.csv", index=False)
    pixels = np.random.default_rng(0).integers(0, 17, (20, 64))
    pd.DataFrame(pixels, columns=[f"pixel_{place}" for place in range(64)]).to_csv(project / "digits.csv", index=False)
    (project / "names.conll").write_text(sentences(60))
    (project / "posts.jsonl").write_text(posts(80))
    (project / "new.txt").write_text("\n".join(f"we saw {name} then , {mood} !" for name, mood in _NEW) + "\n")


def houses(rows: int, seed: int = 0) -> pd.DataFrame:
    """Numbers and categories, some of them missing."""
    draws = np.random.default_rng(seed)
    town, area = draws.choice(["Bern", "Oslo", "Lima"], rows), draws.gamma(5.0, 20.0, rows).round(1)
    price = (3 * area + 100 * (town == "Bern") + draws.normal(0, 20, rows)).round()
    frame = pd.DataFrame(
        {
            "town": town,
            "area": area,
            "rooms": draws.integers(1, 8, rows),
            "price": price,
            "sold": np.where(price + draws.normal(0, 40, rows) < 350, "yes", "no"),
            "category": np.where(area < 70, "flat", np.where(area < 120, "house", "villa")),
            "old": (draws.random(rows) < 0.15).astype(int),  # rare: its threshold is far from one half
            "quiet": (area > 100).astype(int),
        }
    )
    for column in ("area", "town", "price", "sold"):
        frame.loc[draws.random(rows) < 0.1, column] = None
    return frame


_FILLERS = ["the", "a", "we", "saw", "yesterday", "near", "with", "and", "then", "today"]
_NAMES = {"person": ["Anna", "Bo Li", "Carla"], "place": ["Oslo", "New York", "Lima"]}
_MOODS = {"good": ["great", "lovely"], "bad": ["awful", "poor"]}
_NEW = product([*chain(*_NAMES.values()), "Unknown"], [*chain(*_MOODS.values()), "indifferent"])


def sentences(count: int) -> str:
    """CoNLL, with names of persons and places."""
    draws = np.random.default_rng(0)
    lines: list[str] = []
    for _ in range(count):
        for _ in range(draws.integers(1, 4)):
            lines += [f"{word}\tO" for word in draws.choice(_FILLERS, draws.integers(1, 4))]
            kind = str(draws.choice(list(_NAMES)))
            first, *others = str(draws.choice(_NAMES[kind])).split()
            lines += [f"{first}\tB-{kind}", *(f"{other}\tI-{kind}" for other in others)]
        lines.append("")
    return "\n".join(lines) + "\n"


def posts(count: int) -> str:
    """JSON lines with a mood, and the number of words as stars."""
    draws = np.random.default_rng(0)
    lines = []
    for _ in range(count):
        mood = str(draws.choice(list(_MOODS)))
        words = [*draws.choice(_FILLERS, draws.integers(1, 6)), str(draws.choice(_MOODS[mood]))]
        lines.append(json.dumps({"body": " ".join(map(str, words)) + "!", "stars": len(words), "mood": mood}))
    return "\n".join(lines) + "\n"


def make_models(project: Path) -> None:
    """Register a model of each experiment, record what it predicts, and keep only what predicting needs."""
    write_data(project)
    headway(project, "run", "debug")
    for name in EXPERIMENTS:
        headway(project, "evaluate", name)
    (project / "recorded").mkdir()
    for name, (source, preference) in SERVED.items():
        uri, output = f"models:/{name.removesuffix('_asked')}@champion", f"recorded/{name}.csv"
        asked = ("--preference", preference) if preference else ()
        headway(project, "predict", "--model", uri, "--input", source, "--output", output, *asked)
    shutil.rmtree(project / ".headway")
    (project / "optuna.db").unlink()
    for artifact in (project / "mlruns").glob("[!m]*/artifacts/**/*"):  # those of models are all needed
        if artifact.is_file() and artifact.name not in KEPT:
            artifact.unlink()


def make_study(project: Path) -> None:
    """A study of six trials, batch 2, killed in its second batch, after an epoch that its checkpoint holds."""
    killed = subprocess.run([sys.executable, __file__, "killed"], cwd=project, env=_environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((project / ".headway" / "checkpoints").rglob("*.safetensors"))) == 1


def tune_until_killed() -> None:
    """Run the study in this process until its end."""
    from pipeline.cli import main
    from pipeline.training.checkpoint import Checkpoint
    from pipeline.tuning.search import _Job

    write, run = Checkpoint.write, _Job.run
    batches = []

    def counted(job: Any, batch: range, *more: Any) -> Any:
        batches.append(batch)
        return run(job, batch, *more)

    def deadly(checkpoint: Checkpoint, *more: Any) -> None:
        write(checkpoint, *more)
        if len(batches) == 2:
            while len(list(checkpoint._path.parent.glob("*.safetensors"))) > 1:
                time.sleep(0.01)  # the first batch is told behind, and then its checkpoint goes
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoint.due, Checkpoint.write, _Job.run = (lambda _: True), deadly, counted
    sys.argv = ["headway", *STUDY]
    main()


def headway(project: Path, *words: str) -> None:
    """Run a command of the code that PYTHONPATH names."""
    subprocess.run([sys.executable, "-m", "pipeline", *words], cwd=project, env=_environment(), check=True)


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def pack(project: Path) -> None:
    """Archive the project beside this file, with no name or path of this machine in it."""
    code = subprocess.run(
        [sys.executable, "-c", "import pipeline; print(pipeline.__path__[0])"],
        env=_environment(), cwd=project, check=True, capture_output=True, text=True,
    )  # fmt: skip
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    names = {
        str(project): HOME,
        str(Path(code.stdout).parent): CODE,
        f"{socket.gethostname()}@{boot}": PROCESSES,
    }
    for old, new in names.items():
        replace_in_database(project / "mlflow.db", old, new)
    for path in project.rglob("MLmodel"):
        text = path.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(re.sub(rf"{gettempdir()}/\w+", "/temporary", text))
    with tarfile.open(HERE / f"{project.name}.tar.xz", "w:xz", preset=9) as archive:
        archive.add(project, project.name, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without a user, and without what only a running process needs."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if entry.name.endswith((".lock", "-shm")) else entry


def replace_in_database(file: Path, old: str, new: str) -> None:
    """Replace a text wherever it stands in a SQLite database."""
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info('{table}')").fetchall():
                if kind.upper().startswith(("VARCHAR", "TEXT")):
                    change = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)'
                    connection.execute(change, (old, new, old))
    connection.execute("VACUUM")
    connection.close()


if __name__ == "__main__":
    main()
