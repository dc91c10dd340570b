"""The memory that a large table takes: made up on disk, then prepared and trained on by the real command.

Anonymous memory (RssAnon) is summed over the command and all its children, sampled while it works; mapped files are the
system's cache. A table of 20 columns: 14 numbers (two of them with gaps), 3 categories, a number, a yes or no, and one
of five classes to predict.

    python -m benchmarks.large_table                     # 2 and 20 million rows as a partitioned Parquet folder
    python -m benchmarks.large_table --format csv
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd
import plotly.express as px
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.common import machine, results
from benchmarks.common.options import shared
from benchmarks.common.project import environment

_SAMPLED_EVERY_S = 0.05
_CHUNK = 500_000
_NUMBERS = 14
_PARTS = 10

EXPERIMENT = """
sources:
  rows:
    kind: table
    path: {path}
    inputs: {{{inputs}}}
tasks:
  amount: {{kind: regression, source: rows}}
  bought: {{kind: binary, source: rows}}
  grade: {{kind: multiclass, source: rows}}
baselines: {{single: false}}
tuning: null
slots: 1  # or the longer training would be calibrated, which tries larger stacks
processes: 1
training: {{epochs: 1, seeds: 1, batch_size: 1024, early_stopping: null}}
"""


@click.command()
@shared(repeats=1)
@click.option("--format", "kind", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option("--rows", multiple=True, type=int, default=(2_000_000, 20_000_000), show_default=True)
@click.option(
    "--scratch", type=click.Path(path_type=Path, file_okay=False), help="Folder for the table and its arrays."
)
def main(
    data: Path | None, repeats: int, quick: bool, folder: Path, kind: str, rows: tuple[int, ...], scratch: Path | None
) -> None:
    """Measure preparing and one epoch of training at each size."""
    del data, repeats  # always made up here, and once
    found = []
    for count in (20_000, 40_000) if quick else rows:
        with TemporaryDirectory(dir=scratch) as place:
            found += list(measure(Path(place), count, kind))
            click.echo(pd.DataFrame(found).round(1).to_string(index=False))
    table = pd.DataFrame(found)
    figure = px.bar(table, x="rows", y="memory_mib", color="step", barmode="group")
    results.save("large_table", table, {"machine": machine.describe(), "data": "made-up rows"}, figure, folder)


def measure(project: Path, rows: int, kind: str) -> Iterator[dict[str, object]]:
    """Seconds and most anonymous memory of both steps."""
    path = make(project, rows, kind)
    inputs = dict.fromkeys(_names(), "numeric") | {
        "shop": "categorical",
        "town": "categorical",
        "part": "categorical",
    }
    experiment = EXPERIMENT.format(path=path, inputs=", ".join(f"{name}: {it}" for name, it in inputs.items()))
    (project / "MLproject").write_text("name: large\n")
    (project / "experiments").mkdir()
    (project / "experiments" / "large.yaml").write_text(experiment)
    size = sum(file.stat().st_size for file in (path.rglob("*.parquet") if path.is_dir() else [path]))
    for step in ("prepare", "train"):
        seconds, memory = watched([sys.executable, "-m", "pipeline", step, "large", "--quiet"], project)
        yield {
            "rows": rows,
            "format": kind,
            "file_gb": size / 1e9,
            "step": step,
            "seconds": seconds,
            "memory_mib": memory,
        }


def make(project: Path, rows: int, kind: str) -> Path:
    """The table: a folder of Parquet files partitioned by `part`, or one CSV file."""
    draws = np.random.default_rng(0)
    if kind == "csv":
        path = project / "rows.csv"
        writer = None
        for start in range(0, rows, _CHUNK):
            chunk = _chunk(draws, min(_CHUNK, rows - start))
            chunk["part"] = (np.arange(len(chunk)) % _PARTS).astype(str)
            content = pa.Table.from_pandas(chunk, preserve_index=False)
            writer = writer or pa.csv.CSVWriter(path, content.schema)
            writer.write_table(content)
        assert writer is not None
        writer.close()
        return path
    for part in range(_PARTS):
        folder = project / "rows" / f"part={part}"
        folder.mkdir(parents=True)
        count, writer = rows // _PARTS, None
        for start in range(0, count, _CHUNK):
            content = pa.Table.from_pandas(_chunk(draws, min(_CHUNK, count - start)), preserve_index=False)
            writer = writer or pq.ParquetWriter(folder / "rows.parquet", content.schema)
            writer.write_table(content)
        assert writer is not None
        writer.close()
    return project / "rows"


def _names() -> list[str]:
    return [f"n{number}" for number in range(_NUMBERS)]


def _chunk(draws: np.random.Generator, rows: int) -> pd.DataFrame:
    values = draws.normal(size=(rows, _NUMBERS)).round(3)
    frame = pd.DataFrame(values, columns=_names())
    shops = draws.integers(0, 200, rows)
    towns = draws.integers(0, 20, rows)
    signal = values[:, 0] + values[:, 1] * values[:, 2] + shops / 100
    frame["shop"], frame["town"] = [f"shop{it}" for it in shops], [f"town{it}" for it in towns]
    frame["amount"] = (100 + 20 * signal + 5 * draws.normal(size=rows)).round(2)
    frame["bought"] = np.where(signal + draws.normal(size=rows) > 1, "yes", "no")
    frame["grade"] = np.digitize(signal, (-1, 0, 1, 2))
    for name in ("n3", "n4"):
        frame.loc[draws.random(rows) < 0.1, name] = np.nan
    return frame


def watched(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and the most anonymous memory in MiB of a command and its children together.

    Raises:
        RuntimeError: It failed.
    """
    began, peak = time.monotonic(), 0
    process = subprocess.Popen(words, cwd=folder, env=environment())
    while process.poll() is None:
        peak = max(peak, sum(_anonymous(pid) for pid in _family(process.pid)))
        time.sleep(_SAMPLED_EVERY_S)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} failed")
    return time.monotonic() - began, peak / 2**20


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in task.read_text().split() for one in _family(int(child))]
        except OSError:
            continue
    return found


def _anonymous(pid: int) -> int:
    """Bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


if __name__ == "__main__":
    main()
