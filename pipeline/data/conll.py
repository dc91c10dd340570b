"""Sentences with tags in the CoNLL layout: a token a line, an empty line after each sentence.

Columns are parted by tabs or by the ASCII space. What else Unicode has for a space is part of a token, and a space
within a column that tabs part becomes the no-break space: joined by spaces, tokens are parted again where they were.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.tables.lines import ends_with, lines
from pipeline.errors import UserError

OUTSIDE = "O"
UNKNOWN = "_"
"""A tag that is not known."""
_BIO = re.compile(rf"{OUTSIDE}|{UNKNOWN}|[BI]-.+")
_NO_BREAK = "\u00a0"
_BLANK = " \t"


def is_conll(path: Path) -> bool:
    """Whether a file's name says that it holds sentences."""
    return ends_with(path, ".conll", ".bio", ".iob", ".iob2", ".annotated")


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        tokens: Its tokens.
        tags: The tag of each; empty where tags are not read.
        line: Number of its first line in the file, from 1.
        repaired: How many of its tags were written otherwise.
    """

    tokens: list[str]
    tags: list[str]
    line: int
    repaired: int = 0


def sentences(path: Path, column: int | None = -1, repair: bool = False) -> Iterator[Sentence]:
    """The sentences of a file, one after the other.

    Args:
        path: Of the file.
        column: Which column holds the tags; None reads tokens alone.
        repair: Take an `I-` tag that continues nothing for the beginning of an entity.

    Raises:
        UserError: A line has more or fewer columns than the first, or its tag is not BIO.
    """
    tokens: list[str] = []
    tags: list[str] = []
    tabs, width, first, repaired, found = False, 0, 0, 0, False
    for number, line in enumerate(lines(path), 1):
        if not line.strip(_BLANK) or line.startswith("-DOCSTART-"):
            if tokens:
                yield Sentence(tokens, tags, first, repaired)
            tokens, tags, repaired = [], [], 0
            continue
        tabs = tabs if width else "\t" in line
        fields = _fields(line, tabs)
        if not fields[-1] and len(fields) != width:  # a tab at the end
            fields.pop()
        if not tokens and _is_comment(line, fields, width):
            continue
        if not width:
            width = len(fields)
            _check_column(path, number, width, column)
        if len(fields) != width or not fields[0]:
            raise UserError(
                f"{path}: line {number} has {len(fields)} columns, the first one has {width}: "
                f"every token needs all of them, parted by {'a tab' if tabs else 'spaces'}"
            )
        first = first if tokens else number
        if column is not None:
            tags.append(_tag(path, number, fields[column], tags[-1] if tags else OUTSIDE, repair))
            repaired += tags[-1] != fields[column]
        tokens.append(fields[0])
        found = True
    if tokens:
        yield Sentence(tokens, tags, first, repaired)
    if not found:
        raise UserError(f"{path}: no sentence")


def _fields(line: str, tabs: bool) -> list[str]:
    """The columns of a line; a file with tabs may have lines with spaces instead."""
    if tabs and "\t" in line:
        return [re.sub(" +", _NO_BREAK, field.strip(" ")) for field in line.split("\t")]
    return re.split(r"[ \t]+", line.strip(_BLANK))


def _is_comment(line: str, fields: list[str], width: int) -> bool:
    """Whether a line before a sentence is about it, and its `#` no token: this has a tag."""
    if not line.startswith("# "):
        return False
    fits = len(fields) == width if width else "\t" in line
    return not (fits and any(map(_BIO.fullmatch, fields[1:])))


def _check_column(path: Path, number: int, width: int, column: int | None) -> None:
    if column is not None and not (-width <= column < width and column % width):
        raise UserError(
            f"{path}: line {number} has {width} columns, and column {column} should hold the tags of the tokens in "
            "the first: set column"
        )


def _tag(path: Path, number: int, tag: str, before: str, repair: bool) -> str:
    """The tag of a line, whose token before has that tag."""
    if tag in (OUTSIDE, UNKNOWN):
        return tag
    if tag[:2] not in ("B-", "I-") or not tag[2:]:
        raise UserError(f"{path}: line {number}: '{tag}' is no BIO tag; they are O, B-TYPE and I-TYPE")
    if tag[0] == "I" and before not in (f"B-{tag[2:]}", tag, UNKNOWN):
        if not repair:
            raise UserError(
                f"{path}: line {number}: '{tag}' follows '{before}', and continues no entity: "
                f"write 'B-{tag[2:]}', or set repair: true to read it so"
            )
        return f"B-{tag[2:]}"
    return tag
