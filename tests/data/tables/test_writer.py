"""Tables of predictions: whole or not there at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.data.tables import writer
from pipeline.data.tables.writer import check_output, written
from pipeline.errors import Failure, UserError

READ = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


def frame(first: int, rows: int) -> pd.DataFrame:
    number = np.arange(first, first + rows)
    return pd.DataFrame({"file": [f"a,{n}.png" for n in number], "t/label": number, "t/p": (number / 7).astype("f4")})


@pytest.mark.parametrize("suffix", READ)
@pytest.mark.parametrize("flush", [1, 5000, 1 << 23])
def test_batches_become_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, flush: int) -> None:
    monkeypatch.setattr(writer, "_FLUSH", flush)
    with written(tmp_path / f"out{suffix}") as out:
        for first in range(0, 1000, 100):
            out.write(frame(first, 100))
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]
    table = READ[suffix](tmp_path / f"out{suffix}")
    pd.testing.assert_frame_equal(table, frame(0, 1000), check_dtype=False)


def write_and_fail(path: Path, error: type[BaseException]) -> None:
    with written(path) as out:
        out.write(frame(0, 100_000))
        out.write(frame(0, 500_000))
        raise error


@pytest.mark.parametrize("suffix", READ)
@pytest.mark.parametrize("error", [UserError, KeyboardInterrupt])
def test_what_is_not_finished_is_not_there(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("what was there before")
    with pytest.raises(error):
        write_and_fail(path, error)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "what was there before"


def test_a_full_disk_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.TableWriter, "_flush", full)
    with (
        pytest.raises(Failure, match=r"out\.csv cannot be written: No space left"),
        written(tmp_path / "out.csv") as out,
    ):
        out.write(frame(0, 10))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", r"its name must end in \.csv or \.parquet"),
        ("out", "its name must end in"),
        ("missing/out.csv", "no folder .*missing; make it first"),
        ("folder.csv", "is a folder; name a file"),
        ("rows.csv", "is the input; name another file"),
        ("link.csv", "is the input; name another file"),
    ],
)
def test_an_output_that_cannot_be_is_told_beforehand(tmp_path: Path, name: str, message: str) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("pixel_0\n1\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(source)
    with pytest.raises(UserError, match=message):
        check_output(tmp_path / name, source)


def test_for_a_spreadsheet_no_text_begins_like_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "-1", "+2.5", "x=1", "", "'q"]
    rows = pd.DataFrame({"-t/class": texts, "t/p": range(len(texts))})
    with written(tmp_path / "exact.csv") as out:
        out.write(rows)
    with written(tmp_path / "shown.csv", spreadsheet=True) as out:
        out.write(rows)
    exact, shown = (pd.read_csv(tmp_path / f"{it}.csv", keep_default_na=False, dtype=str) for it in ("exact", "shown"))
    assert list(exact["-t/class"]) == texts
    assert list(shown["'-t/class"]) == [f"'{it}" for it in texts[:6]] + texts[6:]
    assert list(shown["t/p"]) == list(exact["t/p"])
    with pytest.raises(UserError, match=r"--spreadsheet is for a \.csv file"):
        check_output(tmp_path / "out.parquet", tmp_path, spreadsheet=True)
