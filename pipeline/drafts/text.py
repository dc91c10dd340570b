"""An experiment on texts or on sentences with tags, drafted from the file."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.conll import OUTSIDE, is_conll, sentences
from pipeline.data.encodings.words import WORDS, tokens_of
from pipeline.data.sources.looked import Column, look
from pipeline.data.sources.text import open_texts
from pipeline.data.tables.column_types import is_text
from pipeline.data.tables.columns import some
from pipeline.data.tables.lines import JSON, JsonLines, ends_with
from pipeline.data.tables.typed import TableFile, separator_of
from pipeline.drafts.targets import check_targets
from pipeline.drafts.tested import put_test, rows_of_classes
from pipeline.drafts.writing import Draft, drafted, from_project, named_for, put_separator, task_names
from pipeline.errors import UserError

_USUAL = ("text", "tweet", "post", "sentence", "comment", "message", "review", "body", "content", "title")
_WORDS = 4  # a text has at least so many, in the mean
_TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "model": (
        {"trunk": {"kind": "gru", "embedding": 64, "widths": [64], "dropout": 0.5}},
        "lstm and transformer are others",
    ),
    "training": ({"seeds": 3}, ""),
    "tuning": ({"batch": 2}, ""),
}


def draft_text(path: Path, targets: dict[str, str], name: str, project: Path) -> str:
    """The text of an experiment file.

    Args:
        path: A `.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet` or `.conll` file.
        targets: Kinds of tasks by field; none to take every field that looks like a label. Of `.conll` a name, tagging.
        name: Of the experiment and of its source.
        project: The project folder, from which paths are told.

    Raises:
        UserError: The file is not what it should be, or nothing in it looks like a text or like labels.
    """
    draft = Draft()
    source = ("sources", name)
    draft.put(("name",), name)
    kind, put = ("tokens", _put_sentences) if is_conll(path) else ("text", _put_texts)
    draft.put((*source, "kind"), kind)
    draft.put((*source, "path"), from_project(path, project))
    draft.head = (drafted(f"{put(draft, source, path, targets)} in {path.name}"),)
    for group, (settings, said) in _TRAINING.items():
        if group != "training" or not draft.every_row_tests:
            draft.put((group,), settings, said)
    return draft.text()


def holds_texts(path: Path) -> bool:
    """Whether JSON objects have a field of texts: one that is called as texts are, or of several words; else are rows.

    Raises:
        UserError: The file is not what it should be.
    """
    file = JsonLines(path)
    named = [name for name, kind in file.types.items() if is_text(kind)]
    if not file.types or any(name.lower() in _USUAL for name in named):
        return True
    first = next(file.batches(dict.fromkeys(named, pa.string())), None)
    columns = [column.drop_null().to_pylist() for column in first.columns] if first else []
    return any(sum(len(it.split()) for it in own) >= _WORDS * len(own) > 0 for own in columns)


def _put_sentences(draft: Draft, source: tuple[str, ...], path: Path, targets: Mapping[str, str]) -> str:
    """Settings of the source, and tasks, of a CoNLL file; what is drafted from."""
    if len(targets) > 1 or any(kind != "tagging" for kind in targets.values()):
        raise UserError(
            f"--targets: sentences of {path.name} have tags to predict: write NAME:tagging, or leave it out"
        )
    types: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    repaired = 0
    for sentence in sentences(path, repair=True):
        repaired += sentence.repaired
        types.update(tag[2:] for tag in sentence.tags if tag.startswith("B-"))
        lengths[len(sentence.tokens)] += 1
    if not types:
        raise UserError(
            f"{path}: no tag but '{OUTSIDE}' in the last column: if tags stand in another, write the file's own"
        )
    known = ", ".join(f"{kind} {count:,}" for kind, count in types.most_common())
    draft.put((*source, "column"), -1, "the last column holds the tags")
    if repaired:
        draft.put((*source, "repair"), True, f"{repaired:,} tags I-TYPE continue no entity, and are read as B-TYPE")
    for line in (
        "validation: dev.conll  # give files of their own here, else both are cut from path",
        "test: test.conll  # then without data.test",
        _long(lengths),
    ):
        draft.say(source, line, below=True)
    label = next(iter(targets), "entities")
    (task,) = task_names([label]).values()  # the tags have no name of their own
    draft.put(("tasks", task), {"kind": "tagging", "source": source[-1]}, named_for(label, task) + known)
    put_test(draft, source[-1], lengths.total(), {})
    return f"{lengths.total():,} sentences"


def _put_texts(draft: Draft, source: tuple[str, ...], path: Path, targets: Mapping[str, str]) -> str:
    """The same of texts with labels."""
    separator = separator_of(path)
    file = JsonLines(path) if ends_with(path, *JSON) else open_texts(path, "text", separator)
    if not file.types:
        nested = f"{some(list(file.unreadable))} hold objects within objects"
        raise UserError(f"{path}: {nested}: write an object for each row, with its text and its labels")
    columns = look(file)
    rows = max(column.rows + column.missing for column in columns.values())
    text = _text_of(path, columns, targets)
    if absent := columns.pop(text).missing:
        raise UserError(f"{path}: field '{text}': {absent:,} of {rows:,} rows have none; every row needs its text")
    check_targets(columns, targets, [])
    put_separator(draft, source, separator)
    draft.put((*source, "text"), text, _long(_lengths(file, text)))
    kinds, split_by = {}, {}
    left_out = [f"left out: '{name}', {why}" for name, why in file.unreadable.items()]
    for name, column in columns.items():
        kind = column.kind if not targets or targets.get(name) == "" else targets.get(name)
        if not targets and (column.is_split or column.is_group):
            how, why = ("split", "its values name splits") if column.is_split else ("group", "no two splits share one")
            draft.put((*source, how), name, why)
            split_by[how] = column
        elif kind is None or (not targets and column.is_identifier):
            why = "not in --targets" if targets else column.why
            left_out.append(f"left out: '{name}', {why}")
        else:
            kinds[name] = kind
    if not kinds:
        raise UserError(f"{path}: no field looks like a label: name them with --targets FIELD:KIND")
    tasks = task_names(kinds)
    for name, kind in kinds.items():
        if kind == "multilabel":
            words = {"column": name, "separator": columns[name].separator or "|"}
            draft.put((*source, "labels", name), words, "the labels stand in one field")
        settings = {"kind": kind, "source": source[-1]} | ({"label": name} if tasks[name] != name else {})
        said = named_for(name, tasks[name]) + _found(kind, columns[name], rows)
        draft.put(("tasks", tasks[name]), settings, said)
    for line in left_out:
        draft.say(("tasks",), line, below=True)
    if "split" not in split_by:
        classes = {name: rows_of_classes(columns[name], kind) for name, kind in kinds.items()}
        put_test(draft, source[-1], rows, classes, split_by["group"].different if "group" in split_by else None)
    return f"{rows:,} texts"


def _found(kind: str, column: Column, rows: int) -> str:
    """What is in a column of labels, for a comment."""
    classes = ", ".join(f"{value} {count:,}" for value, count in column.counts.most_common(8))
    more = ", ..." if len(column.counts) > 8 else ""
    found = column.why if kind == "regression" else f"{classes}{more}"
    return found + (f"; {100 * column.missing / rows:.1f} % have none" if column.missing else "")


def _text_of(path: Path, columns: Mapping[str, Column], targets: Mapping[str, str]) -> str:
    """The field with the text: one that is called as texts are, else the one with the longest values."""
    left = {name: column for name, column in columns.items() if name not in targets and column.counts}
    usual = [name for word in _USUAL for name in left if name.lower() == word]
    longest = max(left, key=lambda name: _letters(left[name]), default=None)
    chosen = usual[0] if usual else longest
    if chosen is None or (not usual and _letters(left[chosen]) < 10):
        raise UserError(f"{path}: no field looks like a text; there are {', '.join(columns)}")
    return chosen


def _letters(column: Column) -> float:
    """Mean length of a value."""
    return sum(map(len, column.counts)) / len(column.counts)


def _lengths(file: TableFile, text: str) -> Counter[int]:
    """How many rows have how many tokens."""
    found: Counter[int] = Counter()
    for batch in file.batches({text: pa.string()}):
        found.update(len(tokens_of(it or "", WORDS)) for it in batch.column(0).to_pylist())
    return found


def _long(lengths: Counter[int]) -> str:
    median = sorted(lengths.elements())[lengths.total() // 2]
    return f"{median} tokens in the middle, {max(lengths)} at most; longer rows than data.text.length are cut"
