"""What is predicted from a task's logits: the columns of a prediction, by kind of task.

- multiclass and binary: `label`, the predicted class as its index from 0, and `probability/<index>` of each class;
- multilabel: `label/<index>`, 1 where its probability is above the label's threshold, else 0, and probabilities;
- regression: `value`, in the target's own unit, clipped to the range that the specification may name;
- tagging: `tags`, here the index of each token's tag; `pipeline.serving.texts` makes text of them, and `entities`.
"""

import torch
from torch import Tensor

from pipeline.serving.specification import TaskSpec


def decide(task: TaskSpec, logits: Tensor) -> dict[str, Tensor]:
    """A task's columns [B] by name, from logits [B, C], or [B, 1] of a binary or regression task."""
    match task.kind:
        case "regression":
            value = logits[:, 0].double() * task.std + task.mean
            return {"value": value.clamp(task.low, task.high).where(value.isfinite(), value)}
        case "multilabel":
            chances = torch.sigmoid(logits)
            present = (chances > torch.tensor(task.thresholds)).long()
            return {f"label/{index}": column for index, column in enumerate(present.t())} | _probabilities(chances)
        case "tagging":
            return {"tags": logits.argmax(1)}
        case "binary":
            # Each by its own sigmoid: 1 - p would round small probabilities away.
            both = torch.sigmoid(torch.cat([-logits, logits], 1))
            return {"label": (logits[:, 0] > 0).long()} | _probabilities(both)
        case _:
            return {"label": logits.argmax(1)} | _probabilities(torch.softmax(logits, 1))


def columns_of(task: TaskSpec) -> dict[str, str]:
    """The columns that a caller gets of a task, in their order, and MLflow's type of each."""
    indices = range(len(task.classes))
    match task.kind:
        case "regression":
            return {"value": "double"}
        case "tagging":
            return {"tags": "string", "entities": "string"}
        case "multilabel":
            labels = {f"label/{index}": "long" for index in indices}
        case _:
            labels = {"label": "long"}
    return labels | {f"probability/{index}": "float" for index in indices}


def _probabilities(values: Tensor) -> dict[str, Tensor]:
    return {f"probability/{index}": column for index, column in enumerate(values.t())}
