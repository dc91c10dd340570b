"""Templates cannot forget to escape, and what is missing is an error."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from pipeline.reports.environment import environment, rendered
from pipeline.reports.parts import Cell, Code, Folded, Items, Paragraph, Subheading, Table, Tinted

EVIL = "<i>no</i>\x1b[31m\u202e\"'"
SHOWN = "&lt;i&gt;no&lt;/i&gt;\\x1b[31m\\u202e&#34;&#39;"


def test_every_text_is_escaped_and_obeyed_by_nothing() -> None:
    parts = [
        Paragraph(EVIL), Subheading(EVIL), Code(f"{EVIL}\n{EVIL}"), Items([EVIL]),
        Table([EVIL], [[EVIL], [Cell(EVIL, (EVIL,))], [Cell(EVIL, code=True)], [Tinted([(EVIL, 0.5)])]], EVIL),
        Folded(EVIL, Paragraph(EVIL)),
    ]  # fmt: skip
    page = rendered("section.html", parts=parts)
    assert page.count(SHOWN) == 15
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<i>" not in page


def test_markup_is_not_escaped_twice() -> None:
    assert environment().from_string("{{ it }}").render(it=Markup("<b>&amp;</b>")) == "<b>&amp;</b>"


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ it }}").render()


def test_parts_without_anything_are_left_out() -> None:
    parts = [Paragraph(""), Code(""), Items([]), Table(["a"], []), Folded("more", Paragraph(""))]
    assert not any(parts)
    assert rendered("section.html", parts=parts).strip() == ""
