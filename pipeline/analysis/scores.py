"""Scores: how good the answers of each seed of a candidate are on the test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.metrics import Scores, joined
from pipeline.analysis.networks import networks_of
from pipeline.analysis.own_metrics import OwnScorer, Scorer
from pipeline.analysis.pooled import Tested, pooled
from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared, PreparedTask, Split
from pipeline.model import Network

Thresholds = Mapping[str, list[list[float]]]


def score(candidate: Candidate, test: Tested) -> Scores:
    """Score every seed and task of a candidate, a few rows at a time; the seeds are its slots in their order.

    Where every row tests each answers the fold of its replicate.

    Args:
        candidate: What to score.
        test: Opened, with at least the candidate's sources and tasks.
    """
    own = {name: task.own_metrics for name, task in candidate.experiment.tasks.items()}
    parts, by_replicate = [], []
    for it in networks_of(candidate):
        replicate = it.slots[0].replicate
        scores = score_network(
            it.network, it.prepared, test.of(replicate), it.thresholds, own, of_fold=replicate is not None
        )
        parts.append((scores, it.places))
        if replicate is not None:
            by_replicate.append((replicate, scores, it.prepared.tasks))
    if by_replicate:
        return pooled(sorted(by_replicate, key=lambda part: part[0]), test)
    return {task: joined([(scores[task], places) for scores, places in parts]) for task in candidate.prepared.tasks}


def score_network(
    network: Network,
    prepared: Prepared,
    rows: Split,
    thresholds: Thresholds = MappingProxyType({}),
    own: Mapping[str, Sequence[str]] = MappingProxyType({}),
    of_fold: bool = False,
) -> Scores:
    """Score every slot of a network on a split.

    Args:
        network: The slots.
        prepared: The data as they see them.
        rows: The split, with at least these sources and tasks.
        thresholds: Of multilabel tasks, [K][L].
        own: Metrics of the user's own by task.
        of_fold: See `pipeline.analysis.own_metrics.Scorer`.
    """
    tasks = prepared.tasks
    inputs = {name: rows.inputs[name] for name in prepared.sources}
    at = {name: rows.at[name] for name in prepared.sources if name in rows.at}
    seen = Split(inputs, {name: rows.labels[name] for name in tasks}, at=at)
    scorers = {name: scorer_of(task, thresholds.get(name), own.get(name, ())) for name, task in tasks.items()}
    for batch in in_order(prepared, seen, evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            scorers[task].take(logits[task], targets)
    return grouped({name: scorers[name].scores(seen.labels[name], of_fold) for name in tasks}, rows)


def grouped(scores: Scores, rows: Split) -> Scores:
    """The scores of rows with the groups that these come in, where they do."""
    return {task: replace(it, groups=rows.groups.get(it.source)) for task, it in scores.items()}


def scorer_of(task: PreparedTask, thresholds: list[list[float]] | None = None, own: Sequence[str] = ()) -> Scorer:
    """What scores a task's answers.

    Args:
        task: Whose answers.
        thresholds: See `score_network`.
        own: Paths of metrics of the user's own.

    Raises:
        UserError: One of these is not there.
    """
    kind = task.definition
    scorer: Scorer = kind.load(kind.scorer)(task, *([thresholds] if kind.thresholds else []))
    return OwnScorer(task, scorer, own) if own else scorer
