"""Sentences with tags: what is read, and what is wrong in one line that names the line."""

from pathlib import Path

import pytest

from pipeline.data.conll import sentences
from pipeline.data.encodings.words import tokens_of
from pipeline.data.texts import open_text_rows
from pipeline.errors import UserError

GOOD = "Anna\tB-person\nLi\tI-person\nsaw\tO\n\nOslo\tB-place\n"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "train.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace("\t", " "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n\n", "\n\t\n"),
        GOOD.replace("\t", "\tNN\t"),
        "-DOCSTART-\tO\n\n# id = 1\n" + GOOD,
        "\n\n" + GOOD + "\n\n\n",
        "\ufeff" + GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\r"),
        GOOD.replace("\t", " ").replace("\n", "  \n"),
        GOOD.replace("\t", " \t"),
        GOOD.replace("person\n", "person\t\n"),
        GOOD.replace("\t", " ").replace("\n\n", "\n \n# id 2\n"),
        GOOD.replace("Li\t", "Li ").replace("Oslo\t", "Oslo  "),
    ],
)
def test_sentences_are_read_in_every_common_layout(content: str, tmp_path: Path) -> None:
    found = list(sentences(written(tmp_path, content)))
    assert [it.tokens for it in found] == [["Anna", "Li", "saw"], ["Oslo"]]
    assert [it.tags for it in found] == [["B-person", "I-person", "O"], ["B-place"]]


def test_a_hashtag_is_a_token_and_no_comment(tmp_path: Path) -> None:
    (found,) = sentences(written(tmp_path, "#oslo\tB-place\n# \tO\n"))
    assert found.tokens == ["#oslo", "#"]


@pytest.mark.parametrize("tab", ["\t", " "])
def test_a_mark_with_a_tag_begins_a_sentence(tmp_path: Path, tab: str) -> None:
    first, second = sentences(written(tmp_path, f"# id 1\na{tab}O\n\n# new O\n# x\n#{tab}O\nb{tab}O\n"))
    assert (first.tokens, second.tokens) == (["a"], ["#", "b"])


SPACES = "\u00a0\u2003\u2007\u202f\u3000\u2028\u2029\u200b\x85\x0b\x0c\x1c\x1d\x1e\x1f"


@pytest.mark.parametrize("tab", ["\t", " "])
@pytest.mark.parametrize("space", SPACES)
def test_other_spaces_are_part_of_a_token_everywhere(tmp_path: Path, tab: str, space: str) -> None:
    path = written(tmp_path, f"10{space}000{tab}B-sum\n{space}{tab}O\nkr{tab}I-sum\n\n".replace("I-sum", "O"))
    (found,) = sentences(path)
    assert (found.tokens, found.tags) == ([f"10{space}000", space, "kr"], ["B-sum", "O", "O"])
    (text,) = (row for batch in open_text_rows(path, ["text"]).batches for row in batch.frame["text"])
    assert tokens_of(text, "spaces") == found.tokens


def test_a_space_between_tabs_does_not_part_a_token(tmp_path: Path) -> None:
    path = written(tmp_path, "10 000 \tB-big sum\nkr\tO\n")
    (found,) = sentences(path)
    assert (found.tokens, found.tags) == (["10\u00a0000", "kr"], ["B-big\u00a0sum", "O"])
    assert tokens_of(next(open_text_rows(path, ["text"]).batches).frame["text"][0], "spaces") == found.tokens


def test_tokens_are_read_where_there_are_no_tags(tmp_path: Path) -> None:
    assert [it.tokens for it in sentences(written(tmp_path, "a\nb\n\nc\n"), column=None)] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "is empty"),
        ("\n\n", "no sentence"),
        ("Anna\tB-person\nLi\n", "line 2 has 1 columns, the first one has 2"),
        ("Anna\tB-person\nLi\tI-person\tx\n", "line 2 has 3 columns, the first one has 2"),
        ("Anna\tO\n\tO\n", "line 2 has 2 columns"),
        (b"Anna\tO\n\xe4\tO\n", "line 2 is not UTF-8; save the file as UTF-8"),
        ("Anna\tperson\n", "line 1: 'person' is no BIO tag; they are O, B-TYPE and I-TYPE"),
        ("Anna\tS-person\n", "line 1: 'S-person' is no BIO tag"),
        ("Anna\tB-\n", "line 1: 'B-' is no BIO tag"),
        ("a\tO\nAnna\tI-person\n", "line 2: 'I-person' follows 'O', and continues no entity: write 'B-person', or set"),
        ("a\tB-place\nAnna\tI-person\n", "line 2: 'I-person' follows 'B-place'"),
        ("a\tB-person\n\nAnna\tI-person\n", "line 3: 'I-person' follows 'O'"),
        ("Anna O\n\u00a0\n", "line 2 has 1 columns, the first one has 2"),
        ("Anna O\n".encode("utf-16"), "is UTF-16 or UTF-32; save the file as UTF-8"),
        ("Anna\n", "line 1 has 1 columns, and column -1 should hold the tags"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(content: str | bytes, line: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as error:
        list(sentences(path))
    assert str(error.value).startswith(f"{path}: {line}")


def test_what_continues_nothing_is_repaired_where_that_is_asked_for(tmp_path: Path) -> None:
    (found,) = sentences(written(tmp_path, "a\tO\nAnna\tI-person\nLi\tI-person\nx\tI-place\n"), repair=True)
    assert found.tags == ["O", "B-person", "I-person", "B-place"]
