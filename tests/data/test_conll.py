"""Sentences with tags: what is read, and what is wrong in one line that names the line."""

from pathlib import Path

import pytest

from pipeline.data.conll import sentences
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
    ],
)
def test_sentences_are_read_in_every_common_layout(content: str, tmp_path: Path) -> None:
    found = list(sentences(written(tmp_path, content)))
    assert [it.tokens for it in found] == [["Anna", "Li", "saw"], ["Oslo"]]
    assert [it.tags for it in found] == [["B-person", "I-person", "O"], ["B-place"]]


def test_a_hashtag_is_a_token_and_no_comment(tmp_path: Path) -> None:
    (found,) = sentences(written(tmp_path, "#oslo\tB-place\n# \tO\n"))
    assert found.tokens == ["#oslo", "#"]


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
