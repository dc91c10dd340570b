"""Which columns of a table are inputs: those that are named, and what patterns stand for."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from pipeline.config.sources import TableSettings
from pipeline.data.encodings.values import NumberFormat
from pipeline.data.sources.base import Report
from pipeline.data.sources.looked import Column, look
from pipeline.data.tables.columns import counted, some
from pipeline.data.tables.typed import TableFile
from pipeline.errors import UserError

_AUTO, _SHOWN = "auto", 4


def chosen(
    name: str, settings: TableSettings, file: TableFile, taken: Collection[str], report: Report
) -> dict[str, str]:
    """Kinds by column, in the order of `inputs`; what a pattern stands for in the table's own.

    Args:
        name: Of the source, for messages.
        settings: What the experiment says of it.
        file: The table.
        taken: Columns of labels, and of what rows are split by.
        report: Is told what patterns stand for.

    Raises:
        UserError: A pattern stands for no column, a column is named twice, or `auto` finds none that is fit.
    """
    found = _expanded(f"sources.{name}", settings, file, taken)
    asked = [column for column, (kind, _) in found.items() if kind == _AUTO]
    spelling = NumberFormat(settings.decimal, settings.thousands)
    seen = look(file, asked, spelling) if asked else {}
    unfit = {column: why for column, it in seen.items() if (why := it.unfit or _gaps(it))}
    for column, why in unfit.items():
        if not found[column][1]:
            raise UserError(f"sources.{name}.inputs.{column}: auto leaves it out ({why}); say numeric or categorical")
    kinds = {column: kind for column, (kind, _) in found.items() if column not in unfit}
    kinds |= {column: seen[column].input_kind for column in kinds if column in seen}
    if not kinds:
        raise UserError(f"{file.path}: no column is left to predict from")
    if any(by_pattern for _, by_pattern in found.values()):
        left = f"; left out: {_told(unfit)}" if unfit else ""
        report(f"{name}: {len(kinds):,} of {len(file.types):,} columns are inputs ({counted(kinds)}){left}")
    return kinds


def _expanded(
    where: str, settings: TableSettings, file: TableFile, taken: Collection[str]
) -> dict[str, tuple[str, bool]]:
    """What `inputs` says of each column, and whether a pattern says it."""
    columns, inputs = list(file.types), settings.inputs
    excluded = set(_matching(f"{where}.exclude", settings.exclude, columns))
    if both := [it for it in inputs if it in excluded and it in settings.exclude]:
        raise UserError(f"{where}.exclude: '{both[0]}' is named in inputs, too: keep one of them")
    free = [it for it in columns if it not in excluded and it not in taken and it not in inputs]
    found: dict[str, tuple[str, bool]] = {}
    for key, kind in inputs.items():
        if key in file.types or not _is_pattern(key):
            found[key] = (kind, False)
            continue
        if not any(map(_matcher(key), columns)):
            raise UserError(f"{where}.inputs: no column matches '{key}'; the columns are {some(columns)}")
        found |= {it: (kind, True) for it in free if it not in found and _matcher(key)(it)}
    return found


def _matching(where: str, keys: Iterable[str], columns: Collection[str]) -> Iterable[str]:
    """The columns that names or patterns stand for."""
    for key in keys:
        own = [key] if key in columns else [it for it in columns if _is_pattern(key) and _matcher(key)(it)]
        if not own:
            raise UserError(f"{where}: no column '{key}'; the columns are {some(list(columns))}")
        yield from own


def _is_pattern(key: str) -> bool:
    return "*" in key or "?" in key


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL).fullmatch


def _gaps(column: Column) -> str | None:
    """Why it is no input as long as words among its numbers or dates are not said to be gaps."""
    for word, count in column.gaps.most_common(1):
        return (
            f"'{word}' among its {column.input_kind} values in {count:,} rows: if it marks a gap, add it to `missing`"
        )
    return None


def _told(unfit: Mapping[str, str]) -> str:
    """The first few, and why."""
    shown = [f"'{column}' ({why.split(':')[0]})" for column, why in list(unfit.items())[:_SHOWN]]
    more = [f"{len(unfit) - _SHOWN} more"] if len(unfit) > _SHOWN else []
    return ", ".join(shown + more)
