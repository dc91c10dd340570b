"""What an experiment may say about the weights of its tasks: what all balancing methods have in common.

The methods themselves are in `balancers.py`.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pipeline.config.base import listed
from pipeline.config.facts import PER_SLOT, WHOLE
from pipeline.config.parts import Part

Need = Literal["losses", "losses_after", "gramian", "cross_gramian", "jacobian"]
"""What a method is given beside its own settings and memory.

`losses`: of the tasks, before the step; `losses_after`: also those of the same batch after it. `gramian`: the inner
products of the tasks' gradients on what they share; `cross_gramian`: of those of two halves of the batch; `jacobian`:
these gradients themselves.
"""

NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

ByTask = Annotated[Literal["equal"] | dict[str, NonNegative] | tuple[NonNegative, ...], BeforeValidator(listed), WHOLE]
"""`equal`, or a number for each task, by name or in the tasks' order."""


class Balancing(Part):
    """How w is chosen in L = sum of w_i * L_i. `headway show --balancers` lists the methods with their settings.

    Attributes:
        method: Such as `fixed`, weights that do not change during training.
        paper: Where the method comes from.
        needs: What it is given.
        least: How many tasks it takes at least, whatever its settings.
        of_gradients: Whether it reads gradients on layers that the tasks share.
        weighs: Whether it returns weights; else a direction for what is shared.
        trainable: Whether it trains a usual network at its default settings.
        conditions: Whether the network is given a preference among the tasks beside its rows, and predicts for any.
        cost: How many times as long as with equal weights a step takes, of as few tasks as it takes but at least two,
            in a stack of 8 networks with one wide layer; about, by `python -m benchmarks.balancers`.
    """

    part = "method"
    chosen_by = "method"
    default = "fixed"
    advice = "`headway show --balancers` lists them"

    method: str

    paper: ClassVar[str] = ""
    needs: ClassVar[tuple[Need, ...]] = ()
    least: ClassVar[int] = 1
    of_gradients: ClassVar[bool] = False
    weighs: ClassVar[bool] = True
    trainable: ClassVar[bool] = True
    conditions: ClassVar[bool] = False
    cost: ClassVar[float] = 1.0

    @property
    def weighted(self) -> bool:
        """Whether the method reads `weights`."""
        return "weights" in type(self).model_fields

    @classmethod
    def settings(cls) -> dict[str, Any]:
        """The method's own settings at their defaults, without those of its family."""
        shared = {*Weighing.model_fields, *FromGradients.model_fields, *Directed.model_fields}
        return {name: it.default for name, it in cls.model_fields.items() if name not in shared}

    def values(self) -> dict[str, Any]:
        """The method's own settings by name, in the order of their declaration."""
        return {name: getattr(self, name) for name in self.settings()}

    def by_task(self) -> dict[str, dict[str, float] | tuple[float, ...]]:
        """Settings that are given as a number for each task, by name or in the tasks' order."""
        return {name: it for name, it in self.values().items() if isinstance(it, dict | tuple)}

    def normalised(self, tasks: Sequence[str]) -> dict[str, float]:
        """One weight a task, summing to the number of tasks."""
        return dict.fromkeys(tasks, 1.0)

    def preferred(self, tasks: Sequence[str]) -> dict[str, float]:
        """What a network that `conditions` is asked for by default: one share a task, summing to 1."""
        return dict.fromkeys(tasks, 1.0 / len(tasks))

    def least_tasks(self) -> int:
        """How many tasks the method takes at least."""
        return self.least

    def kept_gradients(self) -> int:
        """How many values it remembers from step to step for each value of the tasks' gradients."""
        return 0

    def check(self, tasks: Collection[str]) -> None:
        """Hold settings against the names of the tasks.

        Raises:
            ValueError: They name other tasks, another number of them, or give all of them nothing.
        """
        for name, given in self.by_task().items():
            if isinstance(given, dict) and set(given) != set(tasks):
                named, known = (", ".join(sorted(it)) for it in (given, tasks))
                raise ValueError(f"balancing.{name} names {named}; the tasks are {known}")
            if len(given) != len(tasks):
                raise ValueError(f"balancing.{name} has {len(given)} values; the tasks are {', '.join(tasks)}")
            if sum(given.values() if isinstance(given, dict) else given) <= 0.0:
                what = "weight" if name == "weights" else "share"
                raise ValueError(f"balancing.{name} are all 0: give at least one task a positive {what}")


class Weighing(Balancing):
    """Methods that return weights.

    Attributes:
        normalise: Scale each step's weights so that their absolute values sum to the number of tasks, which keeps the
            learning rate's meaning from method to method; false keeps the scale that the method's paper gives.
        smoothing: Share of the last weights in the new ones, in [0, 1) (CR-MOGM; Zhou et al. 2022, NeurIPS).
    """

    normalise: bool = True
    smoothing: Annotated[float, PER_SLOT] = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def interval(self) -> int:
        """Steps from one choice of weights to the next."""
        return 1


class Weighted(Weighing):
    """Methods that read given weights.

    Attributes:
        weights: `equal`, or one a task; they are normalised to sum to the number of tasks.
    """

    weights: Annotated[Literal["equal"] | dict[str, NonNegative], PER_SLOT, WHOLE] = "equal"

    def normalised(self, tasks: Sequence[str]) -> dict[str, float]:
        """See `Balancing`."""
        if self.weights == "equal":
            return super().normalised(tasks)
        total = sum(self.weights[task] for task in tasks)
        return {task: len(tasks) * self.weights[task] / total for task in tasks}


class FromGradients(Weighing):
    """Methods that choose weights by the gradients on what the tasks share.

    Attributes:
        gradients: With respect to the shared `parameters`.
        every: Steps from one choice of weights to the next.
    """

    of_gradients = True

    gradients: Literal["parameters", "representation"] = "parameters"
    every: int = Field(default=1, ge=1)

    @property
    def interval(self) -> int:
        """See `Weighing`."""
        return self.every


class FromGramian(FromGradients):
    """Methods that read the gradients' inner products alone.

    Attributes:
        gradients: With respect to the shared `parameters`, or to the `representation` that the shared layers return,
            which is cheaper (Sener and Koltun 2018, section 3.3). Tasks on different rows have nothing in common there.
    """

    needs: ClassVar[tuple[Need, ...]] = ("gramian",)


class Directed(Balancing):
    """Methods that give no weights, but a direction for what is shared."""

    needs: ClassVar[tuple[Need, ...]] = ("jacobian",)
    of_gradients = True
    weighs = False

    gradients: Literal["parameters"] = "parameters"
