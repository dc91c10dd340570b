"""Reports lie where people find them."""

import os
from pathlib import Path

from pipeline.steps.published import folder_of, newest, publish


def made(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.html"
    page.write_text(text, encoding="utf-8")
    return page


def test_a_report_is_copied_over_the_one_before(tmp_path: Path) -> None:
    for text in ("first", "second"):
        copy = publish(tmp_path, "digits", made(tmp_path / "outputs" / text, "report", text))
        assert copy == tmp_path / "reports" / "digits" / "report.html"
        assert copy.read_text(encoding="utf-8") == text
    assert [it.name for it in copy.parent.iterdir()] == ["report.html"]


def test_the_newest_is_the_one_published_last_also_of_the_same_page(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    pages = {name: made(tmp_path / "outputs", name, name) for name in ("report", "compare")}
    for at, (experiment, name) in enumerate(
        [("digits", "report"), ("digits", "compare"), ("other", "report"), ("digits", "report")], start=1
    ):
        copy = publish(tmp_path, experiment, pages[name])
        os.utime(copy, (at, at))
        assert newest(tmp_path, experiment) == newest(tmp_path) == copy
    assert newest(tmp_path, "other") == tmp_path / "reports" / "other" / "report.html"
    assert newest(tmp_path, "none") is None


def test_where_it_cannot_be_copied_the_page_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    page = made(tmp_path / "outputs", "report", "text")
    assert publish(tmp_path, "digits", page) == page
    assert newest(tmp_path) is None


def test_no_experiment_leaves_the_folder_of_reports(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    for name in ("..", "../..", "/etc", "a" * 400):
        folder = folder_of(tmp_path, name)
        assert folder.resolve().is_relative_to(reports.resolve())
        assert folder.resolve() != reports.resolve()
        assert len(folder.name) < 256
