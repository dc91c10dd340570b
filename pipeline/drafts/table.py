"""The draft of an experiment on a table."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from pipeline.data.sources.looked import LOOKED_AT, Column, look
from pipeline.data.tables.columns import counted
from pipeline.data.tables.typed import open_table
from pipeline.drafts.decisions import decided
from pipeline.drafts.leaks import giving_away
from pipeline.drafts.targets import Target, guessed
from pipeline.drafts.writing import document, flow, from_project, line
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
    file = open_table(path)
    columns = look(file)
    if len(columns) == 1 and ";" in next(iter(columns)):
        raise UserError(f"{path}: one column only, with ';' in its name: save it with commas between the fields")
    if not targets:
        raise UserError(f"--targets is missing: name what is to be predicted; the columns are {', '.join(columns)}")
    kinds = {target.name: guessed(target, columns, file.unreadable) for target in targets}
    numbers = [target.columns[0] for target in targets if kinds[target.name][0] == "regression"]
    used = sorted({column for target in targets for column in target.columns})
    it = decided(file, columns, [name for name in used if name not in numbers], numbers)
    if not it.inputs:
        raise UserError(f"{path}: no column is left to predict from: {'; '.join(_reasons(it.left_out))}")
    rows = next(it.rows + it.missing for it in columns.values())
    given_away = giving_away(file, [name for name, kind in it.inputs.items() if kind == "categorical"], used)
    return document(
        [
            f"# {', '.join(kinds)} from {path.name}, together in one network.",
            f"# Drafted from {'the first ' if rows >= LOOKED_AT else ''}{rows:,} rows; change whatever it got wrong.",
            f"name: {flow(name)}",
            "sources:",
            f"  {flow(name)}:",
            "    kind: table",
            f"    path: {flow(from_project(path, project))}",
            *([line(f"    missing: {flow(list(it.missing))}", "; ".join(it.missing.values()))] if it.missing else []),
            *_input_lines(it.inputs, columns, given_away),
            *_left_out_lines(it.left_out),
            *([line(f"    {it.split[0]}: {flow(it.split[1])}", it.split[2])] if it.split else []),
            *(f"    # {hint}" for hint in it.hints),
            *_group_lines(targets),
            "tasks:",
            *(_task_line(target, name, *kinds[target.name]) for target in targets),
            "# Two layers of 128 behind embeddings of every column suit most tables; rows decide the rest.",
            "model: {trunk: {kind: tabular, widths: [128, 128], dropout: 0.1}}",
            line(f"training: {{batch_size: {_batch_size(rows)}}}", "its length follows the rows: training.updates"),
        ]
    )


def _input_lines(
    inputs: Mapping[str, str], columns: Mapping[str, Column], given_away: Mapping[str, str]
) -> Iterator[str]:
    if len(inputs) > _MOST_LISTED:
        yield line('    inputs: {"*": auto}', f"{counted(inputs)}; `exclude: [name, pattern*]` leaves some out")
        for name, target in given_away.items():
            yield f"    # Each value of {flow(name)} goes with a single {target}: does it give the answer away?"
        return
    yield "    inputs:"
    for name, kind in inputs.items():
        if name in given_away:
            yield f"      # Each value of the next goes with a single {given_away[name]}: does it give the answer away?"
        yield line(f"      {flow(name)}: {kind}", columns[name].described())


def _left_out_lines(left_out: Mapping[str, str]) -> Iterator[str]:
    for column, why in islice(left_out.items(), _MOST_LISTED):
        yield f"    # Left out: {flow(column)}, {why}"
    if len(left_out) > _MOST_LISTED:
        yield f"    # and {len(left_out) - _MOST_LISTED:,} more columns"


def _reasons(left_out: Mapping[str, str]) -> Iterator[str]:
    for column, why in islice(left_out.items(), _MOST_REASONS):
        yield f"'{column}' ({why.split(':')[0]})"


def _group_lines(targets: Sequence[Target]) -> Iterator[str]:
    several = [target for target in targets if len(target.columns) > 1]
    if several:
        yield "    labels:"
    for target in several:
        yield f"      {flow(target.name)}: [{', '.join(map(flow, target.columns))}]"


def _task_line(target: Target, source: str, kind: str, why: str) -> str:
    label = (
        f", label: {flow(target.columns[0])}"
        if target.columns not in ((target.name,),) and kind != "multilabel"
        else ""
    )
    return line(f"  {flow(target.name)}: {{kind: {kind}, source: {flow(source)}{label}}}", why)


def _batch_size(rows: int) -> int:
    """Small tables learn more from more steps; of large ones every step is a better one."""
    return 64 if rows < 20_000 else 256 if rows < _LARGE else 1024
