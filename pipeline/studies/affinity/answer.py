"""What to train, by the test results: in a sentence that a newcomer understands, and with its numbers."""

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.metrics import TITLES
from pipeline.analysis.statistics.decision import unfinished_names
from pipeline.analysis.tables import primary
from pipeline.config.affinity import TOGETHER
from pipeline.config.tasks import ALL
from pipeline.reports.words import listed, settling, shown_test, some, still_improving
from pipeline.studies.affinity.groupings import Grouping, titled
from pipeline.studies.affinity.result import AffinityResult

CALLED = {TOGETHER: "one network for all tasks", SINGLE: "a network for each task"}
_BEING = {"better": "better than", "worse": "worse than", "unclear": "not told apart from"}
_SETTING = "training.seeds"
_MOST = 4  # networks that are told one by one


def advice(found: AffinityResult) -> str:
    """What somebody should do who knows none of the words, and why."""
    advised, names = found.advised, some(found.tasks)
    if advised is None:
        why = (
            "training ended while it still brought something"
            if unfinished_names(found.evaluation.finished)
            else f"what {found.seeds} seeds of each way show may be noise"
        )
        return f"It is not settled which of {names} should share a network: {why}. One network for all costs least."
    if found.called(advised) == TOGETHER:
        if found.sharing.word == "no_difference":
            why = "to train them apart makes no difference that matters, and one network costs least"
        else:
            why = "it does better than a network for each, and no grouping does clearly better still"
        return f"Train one network for {names} together: {why}."
    if found.called(advised) == SINGLE:
        return f"Train a network for each of {names}: one network for all does worse, and no grouping does better."
    beaten = [CALLED[it] for it in (TOGETHER, SINGLE) if found.verdict(found.called(advised), it) == "better"]
    return f"Train {_in_words(advised)}: they do better than {listed(beaten, 'or')}."


def answer(found: AffinityResult) -> str:
    """The answer, a first line and what it does not say."""
    return "\n".join([first(found), *details(found)])


def first(found: AffinityResult) -> str:
    """What to train, with the numbers that say so."""
    if found.advised is None:
        row = _against(found, TOGETHER, SINGLE)
        it = found.sharing
        then = "" if it.word == "no_claim" else f"; {settling(it, _SETTING)}"
        if names := unfinished_names(found.evaluation.finished):
            then = f"; {some(names)} {'was' if len(names) == 1 else 'were'} still improving when training ended"
        return (
            f"Which tasks should share a network is not known yet: as written, untuned, {CALLED[TOGETHER]} is on test "
            f"{_BEING[row['verdict']]} {CALLED[SINGLE]} ({shown_test(row)}){then}."
        )
    said = f"Train {_named(found, found.advised)}: as written, untuned, "
    if found.called(found.advised) == SINGLE:
        return f"{said}{CALLED[TOGETHER]} is on test {_clause(found, TOGETHER, SINGLE)}."
    return f"{said}this is on test {_fared(found, found.advised)}."


def details(found: AffinityResult) -> list[str]:
    """What the first line does not say."""
    order = list(found.groupings["candidate"])
    best, place = order[0], order.index(found.proposed) + 1
    names = unfinished_names(found.evaluation.finished)
    said = [still_improving(names)] if names else []
    said.append(_proposal(found))
    said += [
        f"Of {len(order)} groupings that were trained the proposal is number {place} on test"
        + (f"; the first is {CALLED.get(best, best)}." if place > 1 else ".")
    ]
    if found.agreement == found.agreement:
        said.append(
            f"What affinity expects of a task in a network and what was found go together with a rank correlation of "
            f"{found.agreement:+.2f} ({len(found.gains)} pairs of network and task)."
        )
    said.append(
        f"Percentages are the mean over tasks of the relative change in {_metrics(found)} on test, with {found.seeds} "
        f"paired seed{'s' if found.seeds > 1 else ''}."
    )
    return said


def _proposal(found: AffinityResult) -> str:
    """What affinity proposed, and whether it held."""
    proposed = found.proposed
    said = f"For at most {found.networks} network{'s' if found.networks > 1 else ''} affinity proposed "
    said += CALLED.get(proposed, titled(found.proposal))
    if found.proposal == found.advised:
        return f"{said}, which is advised."
    if proposed == SINGLE:
        return f"{said}; {CALLED[TOGETHER]} is on test {_clause(found, TOGETHER, SINGLE)}."
    return f"{said}: on test {_fared(found, found.proposal)}."


def _fared(found: AffinityResult, grouping: Grouping) -> str:
    """How a grouping did against one network for all tasks and a network for each."""
    name = found.called(grouping)
    return " and ".join(_clause(found, name, other) for other in (TOGETHER, SINGLE) if other != name)


def _clause(found: AffinityResult, candidate: str, other: str) -> str:
    row = _against(found, candidate, other)
    return f"{_BEING[row['verdict']]} {CALLED[other]} ({shown_test(row)})"


def _against(found: AffinityResult, candidate: str, other: str) -> dict:
    """The test of all tasks together."""
    rows = found.contrasts
    rows = rows[(rows["task"] == ALL) & (rows["candidate"] == candidate) & (rows["against"] == other)]
    return rows.to_dict("records")[0]


def _named(found: AffinityResult, grouping: Grouping) -> str:
    return CALLED.get(found.called(grouping)) or _in_words(grouping)


def _in_words(grouping: Grouping) -> str:
    """`2 networks, one for a and b, one for c`; of many the number alone."""
    if len(grouping) > _MOST:
        return f"{len(grouping)} networks ({titled(grouping)})"
    return f"{len(grouping)} networks, {', '.join(f'one for {some(group)}' for group in grouping)}"


def _metrics(found: AffinityResult) -> str:
    metrics = primary(found.evaluation.scores)["metric"].drop_duplicates()
    return " or ".join(TITLES[metric] for metric in metrics)
