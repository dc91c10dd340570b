"""Scores of tagging tasks: entities as a whole, over all types and of each.

Shapes: K seeds, N rows of a task's source, T tokens of a row, R types.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.analysis.class_scores import losses, with_unseen
from pipeline.analysis.metrics import TaskScores
from pipeline.data.prepared import PreparedTask
from pipeline.stacked import Targets
from pipeline.training.spans import Spans, f1


class TagScorer:
    """Takes the answers to a split's rows, a batch at a time, and scores them.

    Args:
        task: Whose answers.
    """

    def __init__(self, task: PreparedTask) -> None:
        self._task, self._spans = task, Spans(task.scored)
        self._entities: list[Tensor] = []
        self._tokens: list[Tensor] = []

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take logits [K, B * T, C] and the targets [1, B * T] that belong to them."""
        log = functional.log_softmax(with_unseen(self._task, logits.double()), -1)
        answered, known = log.argmax(-1), targets.labelled > 0
        wrong = losses(log, targets.values)
        tokens = [known.expand(answered.shape), (answered == targets.values) & known, wrong * known]
        self._tokens.append(torch.stack([self._rows(it.double()).sum(-1) for it in tokens], -1))
        self._entities.append(self._spans.counts(*(self._rows(it) for it in (answered, targets.values, known))))

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets [N, T] of all rows taken; of a fold without any entity there is no F1."""
        task, entities, tokens = self._task, torch.cat(self._entities, 1), torch.cat(self._tokens, 1)
        right, answered, true = entities.sum(-1).unbind(-1)  # [K, N] each
        columns = torch.stack([right, answered + true], -1).transpose(0, 1).flatten(1)
        found = self._metrics(entities.sum(1), tokens.sum(1))
        if of_fold and not true.any():
            found |= {name: np.full(len(entities), np.nan) for name in ("entity_f1", "precision", "recall")}
        return TaskScores(task.source, task.primary, found, np.any(labels >= 0, axis=1), columns.double().numpy())

    def _rows(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(1, (-1, self._task.length))

    def _metrics(self, entities: Tensor, tokens: Tensor) -> dict[str, np.ndarray]:
        """Metrics [K] from counts of entities [K, 3, R] and of tokens [K, 3]: known, right, and their losses.

        `accuracy` and `nll` are of tags, the others of entities over all types; `entity_f1.<type>` of those of a type.
        Entities of a type that training never showed are never answered.
        """
        right, answered, true = entities.sum(-1).double().unbind(-1)
        known = tokens[:, 0].where(tokens[:, 0] > 0, float("nan"))
        there = known / known  # NaN where nothing is known, else 1
        found = {
            "entity_f1": f1(entities.sum(-1)) * there,
            "precision": right / answered.clamp_min(1) * there,
            "recall": right / true.clamp_min(1) * there,
            "accuracy": tokens[:, 1] / known,
            "nll": tokens[:, 2] / known,
        }
        for place, kind in enumerate(self._spans.types):
            own = entities[:, :, place]
            found[f"entity_f1.{kind}"] = f1(own).where(own[:, 2] > 0, float("nan"))
        return {name: values.numpy() for name, values in found.items()}
