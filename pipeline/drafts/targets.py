"""What `--targets` asks for: names, kinds where they are given, and the columns behind a name."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from pipeline.config.tasks import TaskSettings
from pipeline.data.sources.looked import Column
from pipeline.errors import UserError

_SHOWN = 50  # columns that a message names


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

    def among(self, names: Collection[str]) -> "Target":
        """With the names that columns have: those in a file may have spaces around them, which are not asked for."""
        bare = Counter(name.strip() for name in names)
        whole = {name.strip(): name for name in names if bare[name.strip()] == 1}
        return replace(self, columns=tuple(it if it in names else whole.get(it, it) for it in self.columns))


def listed(names: Collection[str]) -> str:
    """The columns of a table, for a message."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(islice(names, _SHOWN)) + more


def parse(text: str) -> list[Target]:
    """From `price:regression,sold,marks=old+new:multilabel`; names that have such a mark stand in quotes, as in CSV.

    >>> parse('"a,b":binary, 5" pipe')
    [Target(name='a,b', kind='binary', columns=('a,b',)), Target(name='5" pipe', kind='', columns=('5" pipe',))]

    Raises:
        UserError: A kind is unknown, or a name is empty or given twice.
    """
    targets = []
    for one in filter(str.strip, _cut(text, ",")):
        *head, last = _cut(one, ":")
        kind = last.strip() if head else ""
        if kind and kind not in TaskSettings.choices:
            known = ", ".join(TaskSettings.choices)
            raise UserError(f"--targets {one.strip()}: unknown kind '{kind}'; the kinds are {known}{QUOTED}")
        name, *several = _cut(":".join(head) if head else one, "=")
        columns = tuple(_unquoted(it) for it in _cut("=".join(several), "+")) if several else (_unquoted(name),)
        if not all((_unquoted(name), *columns)):
            raise UserError(f"--targets {one.strip()}: a name is empty: give the column one in the file")
        targets.append(Target(_unquoted(name), kind, columns))
    if twice := sorted({it.name for it in targets if [other.name for other in targets].count(it.name) > 1}):
        raise UserError(f"--targets names '{twice[0]}' twice")
    return targets


QUOTED = "; a name that has , : = or + in it stands in quotes, as in CSV"


def _cut(text: str, mark: str) -> list[str]:
    """The parts between marks, except those within double quotes."""
    return re.findall(rf'(?:"(?:[^"]|"")*"|[^{mark}])+', text)


def _unquoted(name: str) -> str:
    """A name without the quotes around it, or the spaces."""
    name = name.strip()
    return name[1:-1].replace('""', '"') if re.fullmatch(r'"(?:[^"]|"")*"', name) else name


def kinds(text: str) -> dict[str, str]:
    """Kinds by name, empty where they are to be guessed, for drafts whose targets have no columns of their own choice.

    Raises:
        UserError: A kind is unknown, or a target is made of several columns.
    """
    targets = parse(text)
    if several := [target.name for target in targets if len(target.columns) > 1]:
        raise UserError(f"--targets {several[0]}=...: only the columns of a table can be put together")
    return {target.columns[0]: target.kind for target in targets}


def guessed(target: Target, columns: Mapping[str, Column], unreadable: Mapping[str, str]) -> tuple[str, str]:
    """A target's kind, and in words why.

    Args:
        target: What was asked for.
        columns: What was found in the columns.
        unreadable: Why others cannot be predicted.

    Raises:
        UserError: A column is not there, or cannot be of the kind that was asked for.
    """
    for name in target.columns:
        if name in unreadable:
            raise UserError(f"--targets: column '{name}' cannot be predicted: {unreadable[name]}")
        if name not in columns:
            raise UserError(f"--targets: no column '{name}'; the columns are {listed(columns)}{QUOTED}")
    column = columns[target.columns[0]]
    if len(target.columns) > 1:
        return "multilabel", f"{len(target.columns)} columns of 0 and 1"
    asked = f"--targets {target.name}{f':{target.kind}' if target.kind else ''}: column '{column.name}'"
    if column.different < 2:
        what = "the same value in every row" if column.different else "no value"
        raise UserError(f"{asked} has {what}: there is nothing to predict, leave it out")
    kind = target.kind or column.kind_as_one or ("multiclass" if column.is_classes else None)
    if kind is None:
        raise UserError(f"{asked} {_no_kind(target, column)}")
    if kind == "regression" and not column.is_number:
        word, count = column.others.most_common(1)[0] if column.others else column.counts.most_common(1)[0]
        what = column.written or f"'{word}' in {count:,} rows, which is no number"
        raise UserError(f"{asked} holds {what}; {target.name}:multiclass would take its values for classes")
    if kind == "binary" and column.different != 2:
        raise UserError(
            f"--targets {target.name}:binary: column '{column.name}' has {column.different} different values: "
            f"{column.described()}"
        )
    if kind == "multilabel":
        raise UserError(f"--targets {target.name}:multilabel: name its columns, {target.name}=this+that:multilabel")
    return kind, column.described()


def _no_kind(target: Target, column: Column) -> str:
    """Why a column is not known to be classes or numbers, and what would do."""
    if column.is_time:
        return "holds dates, which no task predicts: predict a number of days or a class instead"
    if column.written:
        return f"holds {column.written}"
    if column.numbers and column.others:
        word, count = column.others.most_common(1)[0]
        what = f"holds numbers and words, such as '{word}' in {count:,} rows"
        return f"{what}: empty those cells for a regression; {target.name}:multiclass takes all values for classes"
    return (
        f"has {column.different:,} different values that are no numbers, too many for a guess: "
        f"{target.name}:multiclass takes them for classes all the same"
    )


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
        raise UserError(f"--targets: no column '{others[0]}'; the columns are {listed(columns)}{QUOTED}")
