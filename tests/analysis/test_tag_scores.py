"""Scores of entities, and what sentences add to them."""

import numpy as np
import pytest
import torch

from pipeline.analysis.tag_scores import TagScorer
from pipeline.data.prepared import PreparedTask
from pipeline.stacked import HOST, Targets
from pipeline.training.tallies import tally_of

TASK = PreparedTask("tagging", "s", ("O", "B-a", "I-a", "B-b.c", "I-b.c"), length=4)
TRUE = np.array([[1, 2, 0, -1], [0, 3, 4, 4], [0, -1, -1, -1], [-1, -1, -1, -1]])
SAID = [
    [[1, 2, 0, 1], [0, 3, 4, 4], [0, 1, 1, 1], [1, 1, 1, 1]],  # all right
    [[1, 0, 0, 1], [0, 3, 4, 4], [1, 1, 1, 1], [1, 1, 1, 1]],  # one right of two, and of three answered
]


def logits() -> torch.Tensor:
    return 5 * torch.nn.functional.one_hot(torch.tensor(SAID), 5).float().flatten(1, 2)


def targets() -> Targets:
    return Targets.of(torch.from_numpy(TRUE).unsqueeze(0))


def test_entities_are_scored_over_all_types_and_for_each() -> None:
    scorer = TagScorer(TASK)
    for rows in (slice(0, 1), slice(1, 4)):
        part = torch.from_numpy(TRUE[rows]).unsqueeze(0)
        scorer.take(logits().unflatten(1, (4, 4))[:, rows].flatten(1, 2), Targets.of(part))
    found = scorer.scores(TRUE)
    values = {name: it.tolist() for name, it in found.metrics.items()}
    assert values["entity_f1"] == [1.0, pytest.approx(2 / 5)]
    assert values["precision"] == [1.0, pytest.approx(1 / 3)]
    assert values["recall"] == [1.0, 0.5]
    assert values["accuracy"] == [1.0, pytest.approx(6 / 8)]
    assert values["entity_f1.a"] == [1.0, 0.0]
    assert values["entity_f1.b.c"] == [1.0, 1.0]
    assert values["nll"][0] < values["nll"][1]
    assert found.labelled.tolist() == [True, True, True, False]
    assert found.columns.tolist() == [[1, 2, 0, 2], [1, 2, 1, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_resampled_sentences_give_the_mean_of_the_seeds() -> None:
    scorer = TagScorer(TASK)
    scorer.take(logits(), targets())
    scores = scorer.scores(TRUE)
    assert len(scores.resampled) == 2000
    assert np.median(scores.resampled) == pytest.approx(scores.metrics["entity_f1"].mean(), abs=0.1)
    assert scores.resampled.max() <= 1.0


def test_training_counts_the_same_as_scoring() -> None:
    tally, scorer = tally_of([TASK], HOST), TagScorer(TASK)
    for it in (tally, scorer):
        it.take(logits(), targets())
    found = dict(zip(tally.metrics, tally.values().tolist(), strict=True))
    wanted = scorer.scores(TRUE).metrics
    assert found == {name: pytest.approx(wanted[name].tolist()) for name in ("nll", "entity_f1")}


def test_without_a_known_tag_nothing_is_known() -> None:
    unknown = Targets.of(torch.full((1, 4, 4), -1))
    tally, scorer = tally_of([TASK], HOST), TagScorer(TASK)
    for it in (tally, scorer):
        it.take(logits(), unknown)
    assert tally.values().isnan().all()
    assert all(np.isnan(it).all() for it in scorer.scores(np.full((4, 4), -1)).metrics.values())
