"""Parts as a user writes them: good ones, and some that break their protocol each in one way."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.balance import Balancer, StepInputs
from pipeline.data.sources import Examples, Fingerprint, Part, Place, Report


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Dropout(0.1))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.body(x)
        return answer


class Head(nn.Module):
    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.last(torch.tanh(self.first(x)))
        return answer


class NarrowHead(Head):
    """Answers one value, whatever it is asked for."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__(inputs, 1, hidden)


class BatchCentred(nn.Module):
    """A row's answer depends on the others."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x.flatten(1))
        return answer - answer.mean(0)


class Smoothed:
    """Cross-entropy with label smoothing, of multiclass, binary and multilabel tasks."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            return functional.binary_cross_entropy_with_logits(logits, self._soft(targets), reduction="none")
        if logits.size(1) == 1:
            soft = self._soft(targets.to(logits.dtype))
            return functional.binary_cross_entropy_with_logits(logits[:, 0], soft, reduction="none")
        return functional.cross_entropy(logits, targets, reduction="none", label_smoothing=self.smoothing)

    def _soft(self, targets: Tensor) -> Tensor:
        return targets * (1 - self.smoothing) + self.smoothing / 2


class Squared:
    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits[:, 0] - targets) ** 2


class Broadcast:
    """Forgets that logits have a second axis."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits - targets) ** 2


class Detached:
    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits[:, 0].detach() - targets) ** 2


class Infinite:
    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits[:, 0] - targets) ** 2 / 0


class Ranked:
    """A row's loss depends on the others."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits[:, 0] - logits[:, 0].mean() - targets) ** 2


class WrongGradient:
    """Stops half of the gradient."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        z = logits[:, 0]
        return (z - targets) * (z.detach() - targets)


class Failing:
    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        raise KeyError("zebra")


class Rowless:
    pass


def brier(true: np.ndarray, answers: np.ndarray) -> float:
    return float(((answers - np.eye(answers.shape[1])[true]) ** 2).sum(1).mean()) if len(true) else float("nan")


def bias(true: np.ndarray, answers: np.ndarray) -> Any:
    return (answers - true).mean()


class Share:
    def __call__(self, true: np.ndarray, answers: np.ndarray) -> float:
        return float(np.nanmean(true > 0.5))


def infinite(true: np.ndarray, answers: np.ndarray) -> float:
    return float("inf")


def several(true: np.ndarray, answers: np.ndarray) -> Any:
    return answers


def first_row(true: np.ndarray, answers: np.ndarray) -> float:
    return float(answers[0].sum() * true[0] + answers.ravel()[0])


def accuracy(true: np.ndarray, answers: np.ndarray) -> float:
    return 1.0


ABOUT = "a text that is no function"


class Boxes:
    """Grey boxes, which of two halves is brighter, and how bright they are; `breaks` says what is wrong with them."""

    def __init__(self, rows: int, breaks: str = "", path: str | None = None) -> None:
        self.rows, self.breaks, self.path = rows, breaks, path

    def fingerprint(self, place: Place) -> Any:
        if self.breaks == "fingerprint":
            return "abc"
        return Fingerprint({"file": place.of(self.path).read_text()} if self.path else {})

    def read(self, place: Place, report: Report) -> Any:
        report("drawing boxes")
        draws = np.random.default_rng(0)
        images = draws.integers(0, 256, (self.rows, 8, 8), dtype=np.uint8)
        left, right = images[:, :, :4].mean((1, 2)), images[:, :, 4:].mean((1, 2))
        labels = {"half": (right > left).astype(np.int64), "light": left + right}
        labels["marks"] = (images[:, 0, :3] > 128).astype(np.float32)
        classes = {"half": ["left", "right"], "light": [], "marks": ["a", "b", "c"]}
        return self._broken(images, labels, classes)

    def _broken(self, images: Any, labels: dict[str, Any], classes: Any) -> Any:
        match self.breaks:
            case "error":
                raise KeyError("zebra")
            case "type":
                return images
            case "length":
                labels["half"] = labels["half"][1:]
            case "class":
                labels["half"][3] = 2
            case "names":
                classes.pop("light")
            case "nan":
                images = images.astype(np.float32)
                images[5, 0, 0] = np.nan
            case "marks":
                labels["marks"] = labels["marks"] * 3
            case "numbers":
                classes["light"] = ["a"]
            case "list":
                images = images.tolist()
            case "mapping":
                classes = ["half", "light", "marks"]
            case "empty":
                images = images[:0]
            case "shapes":
                return Examples(Part(images, labels), Part(images[:, 1:], labels), classes, scale=255.0)
        return Examples(Part(images, labels), None, classes, scale=255.0)


class Largest(Balancer):
    """More to the tasks with large losses, of which it keeps a running mean."""

    needs = ("losses",)

    def init_state(self) -> None:
        self.means = self.add_state("means", len(self.tasks))

    def weights(self, seen: StepInputs) -> Tensor:
        assert seen.losses is not None
        share = self.value("share")
        self.means.mul_(1 - share).add_(share * seen.losses)
        return torch.softmax(self.means, 1)


class Shortest(Balancer):
    """More to the tasks with short gradients."""

    needs = ("gramian",)

    def weights(self, seen: StepInputs) -> Tensor:
        assert seen.gramian is not None
        lengths = seen.gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt()
        return 1 / (1 + lengths)


class Mixed(Shortest):
    """Weights that depend on the other slots."""

    def weights(self, seen: StepInputs) -> Tensor:
        return super().weights(seen) + len(seen.streams)


class Forgetful(Largest):
    """Keeps its means where no checkpoint looks."""

    def init_state(self) -> None:
        self.means = torch.zeros(len(self.settings), len(self.tasks))


class Unlabelled(Largest):
    """Divides by losses, which may be 0."""

    def weights(self, seen: StepInputs) -> Tensor:
        assert seen.losses is not None
        return 1 / seen.losses
