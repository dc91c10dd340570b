"""Lines of text and lines of JSON: what is read, and what is wrong in one line that names the line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.data.tables import lines as lines_module
from pipeline.data.tables.lines import JsonLines, Lines, names_in
from pipeline.errors import UserError

TEXT, NUMBER = pa.string(), pa.float64()


def written(folder: Path, content: str | bytes, name: str = "posts.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(file: Any, **wanted: pa.DataType) -> dict[str, list[Any]]:
    return pa.Table.from_batches(file.batches(wanted)).to_pydict()


def test_objects_are_read_and_what_they_lack_is_missing(tmp_path: Path) -> None:
    content = '{"text": "a", "n": 1, "b": true}\n\n{"text": "é\\n", "n": null, "c": 3}\n{"text": "c", "n": 2.5}'
    found = read(JsonLines(written(tmp_path, content)), text=TEXT, n=NUMBER, b=TEXT, c=TEXT)
    assert found == {
        "text": ["a", "é\n", "c"],
        "n": [1.0, None, 2.5],
        "b": ["true", None, None],
        "c": [None, "3", None],
    }
    packed = written(tmp_path, gzip.compress(content.encode()), "posts.jsonl.gz")
    assert read(JsonLines(packed), text=TEXT)["text"] == ["a", "é\n", "c"]


def test_types_are_those_of_the_first_values(tmp_path: Path) -> None:
    file = JsonLines(written(tmp_path, '{"a": null, "n": 1}\n{"a": "x", "when": "2024-05-31 12:00:00"}\n'))
    assert dict(file.types) == {"a": TEXT, "n": NUMBER, "when": pa.timestamp("us")}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "is empty"),
        ('{"text": "a"}\n{"text": \n', "line 2 is no JSON object: Expecting value"),
        ('{"text": "a"}\n[1]\n', "line 2 is no JSON object but [1]"),
        ('{"text": "a", "n": NaN}\n', "line 1 is no JSON object: NaN is no JSON; write null"),
        (b'{"text": "a"}\n{"text": "\xe4"}\n', "line 2 is not UTF-8"),
        ('{"text": {"a": 1}}\n', "line 1, field 'text': {\"a\": 1} is neither text nor a number"),
        ('{"text": "a"}\n{"text": "a", "n": "x"}\n', "line 2, field 'n': \"x\" is no number"),
        ('{"text": "a"}\n', "no object has a field 'n'; there are 'text'"),
        ("[" * 100_000, "line 1 is no JSON object"),
        ('{"a":' * 100_000, "line 1 is no JSON object"),
        ('{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2 is no JSON object: field 'text' is there twice"),
        ('{"text": "a"}\n{"text": "\\ud83d!"}\n', "line 2: \\ud83d is half a pair of surrogates"),
        ('[{"text": "a"},\n {"text": "\\ude00"}]', "line 2: \\ude00 is half a pair of surrogates"),
        ('{"text": "a", "n": 1%s}\n' % ("0" * 5000), "line 1 is no JSON object: Exceeds the limit (4300 digits)"),
        ('{"text": "a"}\n{"text": "a\0b"}\n', "line 2 has a NUL byte"),
        ('{"text": "a"}\n'.encode("utf-16"), "is UTF-16 or UTF-32; save the file as UTF-8"),
        ('{"text": "a"}\n'.encode("utf-16-le"), "line 1 has a NUL byte: this is no text, or not UTF-8"),
        ('{\n "text": "a"\n}\n', "line 1 is no JSON object: Expecting property name"),
        ('[\n{"text": "a"},\n{"text": "b"\n', "line 4 is no JSON object: Expecting ',' delimiter"),
        ('[\n{"text": "a"},\n{"text" "b"}]\n', "line 3 is no JSON object: Expecting ':' delimiter"),
        ('[\n{"text": "a"},\n3]\n', "line 3 is no JSON object but 3"),
        ('[{"text": "a"}]\n[{"text": "b"}]', "line 1 is no JSON object: there is more behind the end of the list"),
        (b'[{"text": "a"},\n{"text": "\xe4"}]', "is not UTF-8 after line"),
        ('{"text": "a", "n": 1}\n{"text": "a", "n": [[1]]}\n', "line 2, field 'n': [[1]] is no number"),
    ],
)
def test_what_is_wrong_with_an_object_is_said_with_its_line(content: str | bytes, line: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as error:
        read(JsonLines(path), text=TEXT, n=NUMBER)
    assert str(error.value).startswith(f"{path}: {line}")


def test_lines_have_the_labels_of_the_same_lines(tmp_path: Path) -> None:
    texts, labels = written(tmp_path, "a\n\nc\n", "x.txt"), written(tmp_path, "1\n\n0\n", "y.txt")
    names = names_in(written(tmp_path, "0\tbad\n1 very good\n", "names.txt"))
    assert read(Lines(texts, "text", labels, names), text=TEXT, mood=TEXT) == {
        "text": ["a", "", "c"], "mood": ["very good", None, "bad"]
    }  # fmt: skip
    assert read(Lines(texts, "text", labels), score=NUMBER) == {"score": [1.0, None, 0.0]}
    assert read(Lines(texts, "text"), text=TEXT) == {"text": ["a", "", "c"]}


@pytest.mark.parametrize(
    ("labels", "names", "line"),
    [
        ("1\n0\n", "", "y.txt: 2 lines of labels for the 3 lines of x.txt"),
        ("1\n0\n1\n1\n", "", "y.txt: 4 lines of labels for the 3 lines of x.txt"),
        ("1\n2\n0\n", "0\tbad\n1\tgood\n", "y.txt: line 2: '2' is not in classes_file, which has '0', '1'"),
        ("", "", "y.txt: is empty"),
    ],
)
def test_labels_that_do_not_fit_their_lines_are_refused(labels: str, names: str, line: str, tmp_path: Path) -> None:
    texts, beside = written(tmp_path, "a\nb\nc\n", "x.txt"), written(tmp_path, labels, "y.txt")
    known = names_in(written(tmp_path, names, "names.txt")) if names else {}
    with pytest.raises(UserError) as error:
        read(Lines(texts, "text", beside, known), mood=TEXT)
    assert f"/{line}" in str(error.value)


def test_a_label_that_is_no_number_is_refused(tmp_path: Path) -> None:
    texts, beside = written(tmp_path, "a\nb\n", "x.txt"), written(tmp_path, "1\nx\n", "y.txt")
    with pytest.raises(UserError, match="line 2: 'x' is no number"):
        read(Lines(texts, "text", beside), score=NUMBER)


@pytest.mark.parametrize("content", ["0 bad\n0 good\n", "0\n"])
def test_names_of_classes_are_given_once_each(content: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write a label and its name, each label once"):
        names_in(written(tmp_path, content, "names.txt"))


@pytest.mark.parametrize("spoil", [lambda b: b[:-12], lambda b: b[:20] + b"x" * 9 + b[29:], lambda b: b"no gzip"])
@pytest.mark.parametrize("form", ["lines", "list"])
def test_a_damaged_gzip_file_is_one_line(tmp_path: Path, spoil: Any, form: str) -> None:
    objects = [{"text": f"{row} {row**9}"} for row in range(900)]
    content = json.dumps(objects) if form == "list" else "\n".join(map(json.dumps, objects))
    path = written(tmp_path, spoil(gzip.compress(content.encode())), "posts.jsonl.gz")
    with pytest.raises(UserError, match=r"posts\.jsonl\.gz: (cannot be read|line|is not UTF-8)") as error:
        read(JsonLines(path), text=TEXT)
    assert "\n" not in str(error.value)


OBJECTS = [
    {"text": f"text {row}\u2028\x85\x0c {row}", "n": row, "tags": ["a", "b"][: row % 3], "of": {"a": row}}
    for row in range(50)
]


@pytest.mark.parametrize("dump", [{}, {"indent": 1}, {"ensure_ascii": False}])
@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_objects_is_read_as_lines_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dump: dict, packed: bool
) -> None:
    monkeypatch.setattr(lines_module, "_CHUNK", 100)
    content = ("\ufeff \n" + json.dumps(OBJECTS, **dump) + "\n").encode()
    path = written(tmp_path, gzip.compress(content) if packed else content, "posts.json" + ".gz" * packed)
    lines = "\n".join(json.dumps(it, ensure_ascii=False) for it in OBJECTS)
    wanted = {"text": TEXT, "n": NUMBER, "tags": TEXT}
    found = read(JsonLines(path), **wanted)
    assert found == read(JsonLines(written(tmp_path, lines)), **wanted)
    assert found["text"] == [it["text"] for it in OBJECTS]
    assert found["tags"][:4] == ["[]", "a", "a|b", "[]"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_end_in_one_of_three_ways(tmp_path: Path, end: str, last: bool, mark: str) -> None:
    path = written(tmp_path, mark + end.join(["a b", "", "c\u2028d\x85e\x0bf\x0cg\x1ch"]) + end * last)
    assert list(lines_module.lines(path)) == ["a b", "", "c\u2028d\x85e\x0bf\x0cg\x1ch"]


def test_types_are_those_of_all_values(tmp_path: Path) -> None:
    first = {"a": 1, "b": "2024-05-31", "c": None, "d": ["x"], "e": True, "f": 1}
    last = {"a": "x", "b": "soon", "c": 3, "d": "y", "e": False, "f": {"x": 1}, "g": "late"}
    content = "".join(json.dumps(it) + "\n" for it in [first] * 5000 + [last])
    file = JsonLines(written(tmp_path, content))
    assert dict(file.types) == {"a": TEXT, "b": TEXT, "c": NUMBER, "d": TEXT, "e": TEXT, "g": TEXT}
    assert dict(file.unreadable) == {"f": "objects within objects"}


def test_a_label_with_the_mark_between_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 1, field 'tags': 'a\|b' has a '\|' in it"):
        read(JsonLines(written(tmp_path, '{"tags": ["a|b", "c"]}')), tags=TEXT)
