"""Outputs appear whole or not at all, and are found out when they change."""

from pathlib import Path

import pytest

from pipeline.tracking.outputs import digest, problem, published


def publish(folder: Path, content: str = "x") -> str:
    with published(folder) as partial:
        (partial / "a.txt").write_text(content)
        (partial / "inner").mkdir()
        (partial / "inner" / "b.txt").write_text("y")
    found = digest(folder)
    assert found
    return found


def test_published_outputs_have_no_problem(tmp_path: Path) -> None:
    expected = publish(tmp_path / "out")
    assert problem(tmp_path / "out", expected) is None


def test_a_failure_leaves_the_old_outputs_and_nothing_else(tmp_path: Path) -> None:
    expected = publish(tmp_path / "out")
    with pytest.raises(FileNotFoundError), published(tmp_path / "out") as partial:
        (partial / "a.txt").rename(tmp_path / "elsewhere")
    assert problem(tmp_path / "out", expected) is None
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_missing_outputs_are_a_problem(tmp_path: Path) -> None:
    assert problem(tmp_path / "out", "x") == "its outputs are not here"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    expected = publish(tmp_path / "out")
    (tmp_path / "out" / "inner" / "b.txt").write_text("z")
    assert problem(tmp_path / "out", expected) == "its output inner/b.txt is damaged"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    expected = publish(tmp_path / "out")
    (tmp_path / "out" / "a.txt").unlink()
    assert problem(tmp_path / "out", expected) == "its output a.txt is missing"


def test_outputs_of_another_run_are_a_problem(tmp_path: Path) -> None:
    expected = publish(tmp_path / "out")
    publish(tmp_path / "out", "other")
    assert problem(tmp_path / "out", expected) == "the outputs here are not its own"
