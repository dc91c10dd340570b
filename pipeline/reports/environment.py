"""The templates of the pages, whose only way out is escaped.

A template can not forget to escape: Jinja does, and before it every text passes `printable`, so that what would steer a
terminal or turn the direction of reading is shown as an escape. A name that is not given is an error.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.printable import printable


@cache
def environment() -> Environment:
    """The one environment of all pages."""
    found = Environment(
        loader=PackageLoader("pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["static"] = static
    return found


def rendered(template: str, **values: Any) -> Markup:
    """A template with its values."""
    return Markup(environment().get_template(template).render(values))  # noqa: S704 (the templates escape)


@cache
def static(name: str) -> Markup:
    """A file that goes into the page as it is: style or script."""
    return Markup((files("pipeline.reports") / "static" / name).read_text(encoding="utf-8"))  # noqa: S704 (our own)


def _shown(value: Any) -> Any:
    """What an expression of a template shows: markup as it is, text without what would steer a reader's screen."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value)
