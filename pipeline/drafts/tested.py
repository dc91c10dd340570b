"""What a draft says of the test, where the data do not say it themselves: what `data.test: auto` comes to."""

from collections import Counter
from collections.abc import Mapping

from pipeline.data.carried import SHARE, carried, limit_of_class, limit_of_groups, limit_of_rows
from pipeline.data.outer import SMALL
from pipeline.data.sources.looked import Column
from pipeline.drafts.writing import Draft


def rows_of_classes(column: Column, kind: str) -> Mapping[str, int]:
    """The rows of each class of a label; of several labels in one field, of each with it; of numbers none."""
    if kind == "regression":
        return {}
    if kind != "multilabel":
        return column.counts
    mark, counts = column.separator or "|", Counter[str]()
    for value, rows in column.counts.items():
        counts.update(dict.fromkeys({word.strip() for word in value.split(mark)}, rows))
    return counts


def put_test(
    draft: Draft,
    source: str,
    rows: int,
    classes: Mapping[str, Mapping[str, int]],
    groups: int | None = None,
) -> None:
    """Write the setting of the test, and why.

    Args:
        draft: Where it goes.
        source: Name of the source.
        rows: Of it.
        classes: By label, the rows of each class.
        groups: How many groups there are, where no group may be in two splits.
    """
    found, lines = None, list[str]()
    if rows < SMALL:
        rarest = {label: min(counts.items(), key=lambda it: it[1]) for label, counts in classes.items() if counts}
        limits = [limit_of_rows(rows), *(limit_of_class(count, label, it) for label, (it, count) in rarest.items())]
        found, lines = carried({source: limits + ([] if groups is None else [limit_of_groups(groups)])})
    for line in lines:
        draft.say(("data", "test"), line)
    if found is None:
        draft.put(("data", "test"), SHARE, f"the share of {rows:,} rows that tests, once")
        return
    often = "twice" if found.repeats == 2 else "once"
    draft.put(("data", "test"), found.model_dump(), f"every row is tested {often}, by networks that never saw it")
