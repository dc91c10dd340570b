"""What counts as a line of code."""

from pathlib import Path

from click.testing import CliRunner

from benchmarks import code_lines

MODULE = '''"""Of a module.

Two paragraphs.
"""

import os  # a comment behind code


# A comment.
class Thing:
    """Of a class."""

    size: int = 1
    """Of an attribute."""

    def path(self) -> str:
        """Of a function."""
        return os.path.join(
            "a",
            # A comment within.
            "b",
        )


TEMPLATE = """<p>

# no comment
</p>"""
'''


def test_blank_lines_comments_and_docstrings_are_no_code() -> None:
    # import, class, size, def, four of the call, three of the template.
    assert code_lines.python_lines(MODULE) == 11


def test_lines_are_summed_by_top_level_folder(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "cli.py").write_text("a = 1\n")
    (tmp_path / "deep" / "one.py").write_text("a = 1\nb = 2\n")
    (tmp_path / "deep" / "deeper" / "page.html").write_text("<p>\n\n</p>\n")
    (tmp_path / "deep" / "data.csv").write_text("1\n")
    assert code_lines.lines_by_folder(tmp_path) == {".": 1, "deep": 4}


def test_a_commit_is_counted_beside() -> None:
    told = CliRunner().invoke(code_lines.main, ["--against", "HEAD"], catch_exceptions=False).output
    name, now, before, ratio = told.splitlines()[-1].split()
    assert name == "all"
    assert float(ratio) == round(int(now.replace(",", "")) / int(before.replace(",", "")), 3)
