"""Pages that `index.md` does not name join its contents where a line says `other pages`: new ones need no entry."""

from fnmatch import fnmatch

from sphinx.application import Sphinx

_MARK = "other pages\n"


def _add(app: Sphinx, page: str, source: list[str]) -> None:
    if page != app.config.root_doc:
        return
    named = [*map(str.strip, source[0].splitlines()), page]
    others = sorted(it for it in app.env.found_docs if not any(fnmatch(it, name) for name in named))
    source[0] = source[0].replace(_MARK, "".join(f"{it}\n" for it in others))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it to the build."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
