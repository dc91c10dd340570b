"""What `--targets` asks for: names, kinds where they are given, and the columns behind a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.config.tasks import TaskSettings, named
from pipeline.data.sources.looked import Column
from pipeline.errors import UserError


@dataclass(frozen=True)
class Target:
    """One thing to predict.

    Attributes:
        name: Of the task.
        kind: Of the task; empty to be guessed.
        columns: Where it stands: one, or several of 0 and 1.
    """

    name: str
    kind: str
    columns: tuple[str, ...]


def parse(text: str) -> list[Target]:
    """From `price:regression,sold,marks=old+new:multilabel`.

    Raises:
        UserError: A kind is unknown, or a name is no task's.
    """
    targets = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        head, _, kind = one.rpartition(":") if ":" in one else (one, "", "")
        if kind and kind not in TaskSettings.choices:
            raise UserError(f"--targets {one}: unknown kind '{kind}'; the kinds are {', '.join(TaskSettings.choices)}")
        column, _, several = head.partition("=")
        columns = tuple(several.split("+")) if several else (column,)
        targets.append(Target(task_name(column), kind, columns))
    if twice := sorted({it.name for it in targets if [other.name for other in targets].count(it.name) > 1}):
        raise UserError(f"--targets names '{twice[0]}' twice")
    return targets


def kinds(text: str) -> dict[str, str]:
    """Kinds by name, empty where they are to be guessed, for drafts whose targets have no columns of their own choice.

    Raises:
        UserError: A kind is unknown, or a target is made of several columns.
    """
    targets = parse(text)
    if several := [target.name for target in targets if len(target.columns) > 1]:
        raise UserError(f"--targets {several[0]}=...: only the columns of a table can be put together")
    return {target.columns[0]: target.kind for target in targets}


def task_name(column: str) -> str:
    """A column's name as that of a task: what names files and metrics has letters, digits, '_' and '-' only."""
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in column)
    try:
        return named("task", name)
    except ValueError as error:
        raise UserError(f"--targets: {error}") from None


def guessed(target: Target, columns: Mapping[str, Column]) -> tuple[str, str]:
    """A target's kind, and in words why.

    Raises:
        UserError: A column is not there, or cannot be of the kind that was asked for.
    """
    for name in target.columns:
        if name not in columns:
            raise UserError(f"--targets: no column '{name}'; the columns are {', '.join(columns)}")
    column = columns[target.columns[0]]
    if len(target.columns) > 1:
        return "multilabel", f"{len(target.columns)} columns of 0 and 1"
    if not column.different:
        raise UserError(f"--targets: column '{column.name}' has no value in the first {column.rows:,} rows")
    kind = target.kind or column.kind or "multiclass"
    if kind == "regression" and not column.is_number:
        raise UserError(
            f"--targets {target.name}:regression: column '{column.name}' holds no numbers but {column.type}"
        )
    if kind == "binary" and column.different != 2:
        raise UserError(
            f"--targets {target.name}:binary: column '{column.name}' has {column.different} different values: "
            f"{column.described()}"
        )
    if kind == "multilabel":
        raise UserError(f"--targets {target.name}:multilabel: name its columns, {target.name}=this+that:multilabel")
    return kind, column.described()


def check_targets(columns: Mapping[str, Column], targets: Mapping[str, str], flags: Sequence[str]) -> None:
    """Check the targets that a user names: columns, or one name for all columns of 0 and 1.

    Raises:
        UserError: There is no such column or kind.
    """
    known = TaskSettings.choices
    for name, kind in targets.items():
        if kind and kind not in known:
            raise UserError(f"--targets: '{kind}' of '{name}' is no kind of task; they are {', '.join(known)}")
    others = [name for name in targets if name not in columns]
    if len(others) > 1 or any(targets[name] not in ("multilabel", "") or not flags for name in others):
        raise UserError(f"--targets: no column '{others[0]}'; the columns are {', '.join(columns)}")
