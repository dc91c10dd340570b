"""The draft of an experiment on a table."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from pipeline.data.sources.looked import LOOKED_AT, Column, look
from pipeline.data.tables.columns import counted
from pipeline.data.tables.typed import open_table
from pipeline.drafts.leaks import giving_away
from pipeline.drafts.targets import Target, guessed
from pipeline.drafts.writing import Draft, flow, from_project, named_for, task_names
from pipeline.errors import UserError

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
    file = open_table(path)
    columns = look(file)
    if len(columns) == 1 and ";" in next(iter(columns)):
        raise UserError(f"{path}: one column only, with ';' in its name: save it with commas between the fields")
    if not targets:
        raise UserError(f"--targets is missing: name what is to be predicted; the columns are {', '.join(columns)}")
    kinds = {target.name: guessed(target, columns) for target in targets}
    used = {column for target in targets for column in target.columns}
    inputs, left_out = _inputs({name: column for name, column in columns.items() if name not in used})
    if not inputs:
        raise UserError(f"{path}: no column is left to predict from")
    rows = next(it.rows + it.missing for it in columns.values())
    given_away = giving_away(file, [name for name, kind in inputs.items() if kind == "categorical"], sorted(used))
    draft = Draft(
        f"{', '.join(kinds)} from {path.name}, together in one network.",
        f"Drafted from {'the first ' if rows >= LOOKED_AT else ''}{rows:,} rows; change whatever it got wrong.",
    )
    source = ("sources", name)
    draft.put(("name",), name)
    draft.put((*source, "kind"), "table")
    draft.put((*source, "path"), from_project(path, project))
    if any("?" in it.counts for it in columns.values()):
        draft.put((*source, "missing"), ["?"], "as some columns say it", cut=True)
    _put_inputs(draft, source, inputs, columns, given_away)
    _say_left_out(draft, source, left_out)
    _say_groups(draft, source, columns, used)
    _put_tasks(draft, source, targets, kinds)
    draft.say(("model",), "Two layers of 128 behind embeddings of every column suit most tables; rows decide the rest.")
    draft.put(("model",), {"trunk": {"kind": "tabular", "widths": [128, 128], "dropout": 0.1}})
    its_length = "its length follows the rows: training.updates"
    draft.put(("training",), {"batch_size": _batch_size(rows)}, its_length, cut=True)
    return draft.text()


def _inputs(columns: Mapping[str, Column]) -> tuple[dict[str, str], dict[str, str]]:
    """Kinds of the columns that are inputs, and why the others are not."""
    inputs, left_out = {}, {}
    for name, column in columns.items():
        if why := column.unfit:
            left_out[name] = why
        else:
            inputs[name] = column.input_kind
    return inputs, left_out


def _put_inputs(
    draft: Draft,
    source: tuple[str, ...],
    inputs: Mapping[str, str],
    columns: Mapping[str, Column],
    given_away: Mapping[str, str],
) -> None:
    if len(inputs) > _MOST_LISTED:
        said = f"{counted(inputs)}; `exclude: [name, pattern*]` leaves some out"
        draft.put((*source, "inputs"), {"*": "auto"}, said, cut=True)
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


def _say_groups(draft: Draft, source: tuple[str, ...], columns: Mapping[str, Column], used: set[str]) -> None:
    """A hint at columns by which rows might have to be split."""
    for name, column in columns.items():
        if name not in used and column.is_group:
            said = f"group: {flow(name)}   would keep all rows of one {name} in the same split"
            draft.say(source, said, below=True)


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
    return 64 if rows < 20_000 else 256 if rows < LOOKED_AT else 1024
