"""A page is drawn again where its templates, style or script are other ones."""

from pathlib import Path

from pipeline.steps.page import _REPORTS, drawn_by


def test_every_template_and_file_beside_it_counts(tmp_path: Path) -> None:
    for name in ("templates", "static"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "it").write_text(name)
    found = [drawn_by(tmp_path)]
    for name in ("templates", "static"):
        (tmp_path / name / "it").write_text(f"{name}, changed")
        drawn_by.cache_clear()
        found.append(drawn_by(tmp_path))
    (tmp_path / "static" / "it").rename(tmp_path / "static" / "other")
    drawn_by.cache_clear()
    assert len({*found, drawn_by(tmp_path)}) == 4


def test_those_of_pages_are_found() -> None:
    assert (_REPORTS / "templates" / "base.html").is_file()
    assert len(drawn_by(_REPORTS)) == 16
