"""Writes the pages of reference that are made of the code: a line `<!-- from code: NAME -->` becomes that part.

It happens when a page is read, so that nothing generated is kept, and headings have addresses as in any other page.
"""

import re

from commands_part import commands
from settings_part import balancers, settings
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

_PARTS = {"settings": settings, "balancers": balancers, "commands": commands}
_MARK = re.compile(r"^<!-- from code: (\w+) -->$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\((\.[^)\s#]*)\)")


def _write_parts(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = _MARK.sub(lambda mark: _PARTS[mark[1]](), source[0])


def _without_outside(app: Sphinx, page: str, source: list[str]) -> None:
    """Make plain text of links to folders and pages outside of the manual, which lead somewhere on GitHub only."""
    folder = app.env.doc2path(page).parent

    def text(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        outside = not target.is_relative_to(app.srcdir) and target.suffix == ".md" and target.is_file()
        return link[1] if outside or target.is_dir() else link[0]

    source[0] = _LINK.sub(text, source[0])


def _read_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Read the sections of a docstring, in which an asterisk outside of code is one, as in Markdown.

    Napoleon itself would take the first words of a property, up to a colon, for its type.
    """
    for at, line in enumerate(lines):
        parts = line.split("`")
        lines[at] = "`".join(it if odd % 2 else it.replace("*", r"\*") for odd, it in enumerate(parts))
    read_as = "method" if what in ("attribute", "property") else what
    lines[:] = GoogleDocstring(lines, Config(napoleon_use_rtype=False), app, read_as, name, obj, options).lines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it to the build."""
    app.connect("source-read", _write_parts)
    app.connect("source-read", _without_outside)
    app.connect("autodoc-process-docstring", _read_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
