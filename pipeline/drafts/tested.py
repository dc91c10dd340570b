"""What a draft says of the test, where the data do not say it themselves: what `data.test: auto` comes to."""

from collections.abc import Mapping

from pipeline.data.carried import SHARE, USUAL, carried, limit_of_class, limit_of_groups, limit_of_rows
from pipeline.data.outer import SMALL
from pipeline.drafts.writing import Draft


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
    found, why = None, f"of {rows:,} rows"
    if rows < SMALL:
        rarest = {label: min(counts.items(), key=lambda it: it[1]) for label, counts in classes.items() if counts}
        limits = [limit_of_rows(rows), *(limit_of_class(count, label, it) for label, (it, count) in rarest.items())]
        found, why = carried({source: limits + ([] if groups is None else [limit_of_groups(groups)])})
    if found is None:
        draft.put(("data", "test"), SHARE, f"the share that tests, once: {why}", cut=True)
        return
    fewer = f"; not {USUAL.folds} folds, as {why}" if why else ""
    said = f"every row is tested {'twice' if found.repeats == 2 else 'once'}, by networks that never saw it{fewer}"
    draft.put(("data", "test"), found.model_dump(), said, cut=True)
