"""How many lines of code `pipeline/` has: no blank lines, comments or docstrings; templates without their blank lines.

python -m benchmarks.code_lines [--against COMMIT]
"""

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

import click

from benchmarks.common.project import REPOSITORY, checkout

TEMPLATES = {".css", ".html", ".j2", ".jinja", ".jinja2", ".js"}
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


@click.command()
@click.option("--against", default="", metavar="COMMIT", help="Also count this commit, and print the ratio to it.")
def main(against: str) -> None:
    """Print the lines of each top-level folder of `pipeline/` and of all."""
    here, there = lines_by_folder(REPOSITORY / "pipeline"), Counter[str]()
    if against:
        with checkout(against) as place:
            there = lines_by_folder(place / "pipeline")
    for folder in [*sorted(here | there), "all"]:
        now, before = (it.total() if folder == "all" else it[folder] for it in (here, there))
        ratio = f"{before:8,}{now / before:8.3f}" if before else ""
        click.echo(f"{folder:12}{now:8,}{ratio}")


def lines_by_folder(package: Path) -> Counter[str]:
    """Lines of code of each top-level folder; files beside the folders count as `.`."""
    counts = Counter[str]()
    for path in package.rglob("*"):
        folder = path.relative_to(package).parts[0] if path.parent != package else "."
        if path.suffix == ".py":
            counts[folder] += python_lines(path.read_text())
        elif path.suffix in TEMPLATES:
            counts[folder] += sum(bool(line.strip()) for line in path.read_text().splitlines())
    return counts


def python_lines(source: str) -> int:
    """Lines that hold a token of code. A string that stands alone is a docstring, one behind an attribute too."""
    docstrings = {
        (node.lineno, node.col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE and token.start not in docstrings:
            lines.update(range(token.start[0], token.end[0] + 1))
    return sum(bool(line.strip()) for place, line in enumerate(source.splitlines(), 1) if place in lines)


if __name__ == "__main__":
    main()
