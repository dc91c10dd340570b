"""A row a job, appended to a file: a benchmark of hours goes on where it stopped, and is judged."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd


def append(file: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Add a row, below a header where the file is new; of the row only these columns, empty where it has none."""
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(row)


def known(file: Path, columns: Sequence[str]) -> set[tuple[Any, ...]]:
    """What these columns hold, row by row; nothing where there is no file yet."""
    return set(pd.read_csv(file)[list(columns)].itertuples(index=False, name=None)) if file.exists() else set()


def judged(checks: Iterable[tuple[str, bool]]) -> bool:
    """Say of each thing that is asked whether it holds; whether all do."""
    found = list(checks)
    for said, holds in found:
        click.echo(f"{'yes' if holds else 'NO '}  {said}")
    return all(holds for _, holds in found)
