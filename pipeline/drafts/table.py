"""The draft of an experiment on a table."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from pathlib import Path

from pipeline.data.encodings.values import PLAIN
from pipeline.data.sources.looked import LOOKED_AT, Column, look
from pipeline.data.tables.columns import counted
from pipeline.data.tables.typed import open_table, separator_of
from pipeline.drafts.decisions import Decisions, decided, spelling_of
from pipeline.drafts.leaks import giving_away
from pipeline.drafts.targets import Target, guessed, listed
from pipeline.drafts.tested import put_test
from pipeline.drafts.tuned import put_tuning
from pipeline.drafts.writing import Draft, flow, from_project, named_for, put_separator, task_names
from pipeline.errors import UserError

_MOST_REASONS = 3
_LARGE = 200_000  # rows
_MOST_LISTED = 200  # inputs, beyond which they are chosen by what is in them


def draft_table(path: Path, targets: Sequence[Target], name: str, project: Path) -> str:
    """An experiment on a CSV or Parquet file, or a folder of Parquet files.

    Args:
        path: Of the table.
        targets: What to predict.
        name: Of the experiment and of its source.
        project: The project folder.

    Returns:
        The text of the experiment file.

    Raises:
        UserError: The table cannot be read, or has no such columns.
    """
    separator = separator_of(path)
    file = open_table(path, separator)
    columns = look(file)
    spelling, as_in = spelling_of(file, columns)
    if spelling != PLAIN:
        columns |= look(file, [name for name, column in columns.items() if column.other_spellings], spelling)
    if not targets:
        raise UserError(f"--targets is missing: name what is to be predicted; the columns are {listed(columns)}")
    targets = [it.among(columns) for it in targets]
    kinds = {target.name: guessed(target, columns, file.unreadable) for target in targets}
    numbers = {it.columns[0] for it in targets if kinds[it.name][0] == "regression"}
    gapped = numbers | {it.columns[0] for it in targets if not it.kind and columns[it.columns[0]].gaps}
    used = sorted({column for target in targets for column in target.columns})
    it = decided(file, columns, [name for name in used if name not in numbers], sorted(gapped))
    if not it.inputs:
        why = "; ".join(_reasons(it.left_out)) or "there are no others than those to predict"
        raise UserError(f"{path}: no column is left to predict from: {why}")
    rows = next(it.rows + it.missing for it in columns.values())
    given_away = giving_away(file, [name for name, kind in it.inputs.items() if kind == "categorical"], used)
    draft = Draft(
        f"{', '.join(task_names(kinds).values())} from {path.name}, together in one network.",
        f"Drafted from {'the first ' if rows >= LOOKED_AT else ''}{rows:,} rows; change whatever it got wrong.",
    )
    source = ("sources", name)
    draft.put(("name",), name)
    draft.put((*source, "kind"), "table")
    draft.put((*source, "path"), from_project(path, project))
    put_separator(draft, source, separator)
    for setting, mark in spelling.about.items():
        draft.put((*source, setting), mark, as_in, cut=True)
    if it.missing:
        draft.put((*source, "missing"), list(it.missing), "; ".join(it.missing.values()), cut=True)
    if it.split:
        setting, column, why = it.split
        draft.put((*source, setting), column, why, cut=True)
    _put_inputs(draft, source, it, columns, given_away)
    _say_left_out(draft, source, it.left_out)
    for hint in it.hints:
        draft.say(source, hint, below=True)
    _put_tasks(draft, source, targets, kinds)
    if it.split is None:
        classes = {column: columns[column].counts for column in used if column not in numbers}
        values = [columns[column].different + bool(columns[column].missing) for column in it.inputs]
        put_test(draft, name, rows, classes, different=prod(values))
    draft.say(("model",), "Two layers of 128 behind embeddings of every column suit most tables; rows decide the rest.")
    draft.put(("model",), {"trunk": {"kind": "tabular", "widths": [128, 128], "dropout": 0.1}})
    its_length = "its length follows the rows: training.updates"
    draft.put(("training",), {"batch_size": _batch_size(rows)}, its_length, cut=True)
    put_tuning(draft, rows)
    return draft.text()


def _put_inputs(
    draft: Draft,
    source: tuple[str, ...],
    decisions: Decisions,
    columns: Mapping[str, Column],
    given_away: Mapping[str, str],
) -> None:
    inputs = decisions.inputs
    if len(inputs) > _MOST_LISTED:
        said = f"{counted(inputs)}; `exclude: [name, pattern*]` leaves some out"
        named = {name: inputs[name] for name in (decisions.split or ())[1:2] if name in inputs}
        draft.put((*source, "inputs"), named | {"*": "auto"}, said, cut=True)
        for name, target in given_away.items():
            said = f"Each value of {flow(name)} goes with a single {target}: does it give the answer away?"
            draft.say(source, said, below=True)
        return
    for name, kind in inputs.items():
        column = (*source, "inputs", name)
        draft.put(column, kind, columns[name].described(), cut=True)
        if name in given_away:
            said = f"Each value of the next goes with a single {given_away[name]}: does it give the answer away?"
            draft.say(column, said)


def _say_left_out(draft: Draft, source: tuple[str, ...], left_out: Mapping[str, str]) -> None:
    for column, why in islice(left_out.items(), _MOST_LISTED):
        draft.say(source, f"Left out: {flow(column)}, {why}", below=True)
    if len(left_out) > _MOST_LISTED:
        draft.say(source, f"and {len(left_out) - _MOST_LISTED:,} more columns", below=True)


def _reasons(left_out: Mapping[str, str]) -> Iterator[str]:
    for column, why in islice(left_out.items(), _MOST_REASONS):
        yield f"'{column}', {why}"


def _put_tasks(
    draft: Draft, source: tuple[str, ...], targets: Sequence[Target], kinds: Mapping[str, tuple[str, str]]
) -> None:
    """The tasks, and above them the labels that several columns are put together for."""
    tasks = task_names(target.name for target in targets)
    for target in targets:
        (kind, why), task = kinds[target.name], tasks[target.name]
        several = len(target.columns) > 1
        label = target.name if several else target.columns[0]
        if several:
            draft.put((*source, "labels", label), list(target.columns))
        settings = {"kind": kind, "source": source[-1]} | ({"label": label} if task != label else {})
        draft.put(("tasks", task), settings, named_for(target.name, task) + why, cut=True)


def _batch_size(rows: int) -> int:
    """Small tables learn more from more steps; of large ones every step is a better one."""
    return 64 if rows < 20_000 else 256 if rows < _LARGE else 1024
