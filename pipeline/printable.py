"""Text as it may be shown: names and labels come from files, and a terminal obeys some characters."""

import html

import click

_MARKDOWN = "\\`*_|~"
_JOINERS = "\u200c\u200d"  # which Persian, Hindi and emoji are written with


def printable(text: object) -> str:
    r"""The text on one line, with what a terminal would obey or cannot show as an escape.

    These are control characters, line ends, marks that reverse the direction of what follows, and lone surrogates.

    >>> printable("caf\u00e9 \x1b[31mred\n\u202etxt.exe")
    'café \\x1b[31mred\\n\\u202etxt.exe'
    """
    return "".join(one if one.isprintable() or one in _JOINERS else repr(one)[1:-1] for one in str(text))


def escape(text: object) -> str:
    r"""The same as HTML.

    >>> escape("<b>\x1b")
    '&lt;b&gt;\\x1b'
    """
    return html.escape(printable(text))


def markdown(text: object) -> str:
    r"""The same in Markdown, also in the cell of a table: nothing in it is markup.

    >>> markdown("a|b_c <b> [1, 2] [x](https://host)")
    'a&#124;b&#95;c &lt;b&gt; [1, 2] [x]&#40;https&#58;//host)'
    """
    told = "".join(f"&#{ord(one)};" if one in _MARKDOWN else one for one in escape(text))
    return told.replace("](", "]&#40;").replace("://", "&#58;//")


def echo(*lines: object) -> None:
    """Print lines that may hold names of others."""
    for line in lines or ("",):
        click.echo(printable(line))
