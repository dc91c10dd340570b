"""The base classes of all balancing methods; the methods themselves are in `balancers.py`."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pipeline.config.base import as_tuple
from pipeline.config.facts import PER_SLOT, WHOLE
from pipeline.config.limits import STEPS
from pipeline.config.parts import Part

Need = Literal["losses", "losses_after", "gramian", "cross_gramian", "jacobian"]
"""An input of a method in every step.

`losses`: the tasks' losses before the update; `losses_after`: also those of the same batch after it. `gramian`: inner
products of the tasks' gradients with respect to the shared parameters; `cross_gramian`: inner products between the
gradients of the batch's two halves; `jacobian`: the gradients themselves.
"""

NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

ByTask = Annotated[
    Literal["equal"] | dict[str, NonNegative] | tuple[NonNegative, ...], BeforeValidator(as_tuple), WHOLE
]
"""`equal`, or one number per task, by name or in the tasks' order."""


_SHARED = ("weights", "preference", "gradients", "every", "smoothing")


class Balancing(Part):
    """The choice of w in L = sum of w_i * L_i. `headway show --balancers` lists the methods with their settings.

    Attributes:
        method: Name of the method, such as `fixed` for constant weights.
        paper: The method's publication.
        needs: The inputs of the method.
        min_tasks: Smallest number of tasks for any settings of the method.
        reads_gradients: Whether it reads the tasks' gradients on shared layers.
        returns_weights: Whether it returns weights; else an update direction for the shared parameters.
        trainable: Whether its default settings train a usual network.
        takes_preference: Whether the network takes a preference among the tasks as an input, and predicts for any.
        cost: Approximate duration of a step as a multiple of one with equal weights, with the fewest possible tasks but
            at least two, in a stack of 8 networks with one wide layer (`python -m benchmarks.balancers`).
    """

    part = "method"
    chosen_by = "method"
    default = "fixed"
    advice = "`headway show --balancers` lists them"

    method: str

    paper: ClassVar[str] = ""
    needs: ClassVar[tuple[Need, ...]] = ()
    min_tasks: ClassVar[int] = 1
    reads_gradients: ClassVar[bool] = False
    returns_weights: ClassVar[bool] = True
    trainable: ClassVar[bool] = True
    takes_preference: ClassVar[bool] = False
    cost: ClassVar[float] = 1.0

    @classmethod
    def without_effect(cls, name: str, value: Any) -> bool:
        """See `Part`: only settings that several methods share; a method's own says which method is meant."""
        return name in _SHARED and super().without_effect(name, value)

    @property
    def weighted(self) -> bool:
        """Whether the method reads `weights`."""
        return "weights" in type(self).model_fields

    @classmethod
    def settings(cls) -> dict[str, Any]:
        """The method's own settings at their defaults, without those common to its family."""
        shared = {*WeightMethod.model_fields, *GradientBased.model_fields, *DirectionMethod.model_fields}
        return {name: field.default for name, field in cls.model_fields.items() if name not in shared}

    def values(self) -> dict[str, Any]:
        """The method's own settings by name, in the declared order."""
        return {name: getattr(self, name) for name in self.settings()}

    def by_task(self) -> dict[str, dict[str, float] | tuple[float, ...]]:
        """Settings that are given as one number per task, by name or in the tasks' order."""
        return {name: it for name, it in self.values().items() if isinstance(it, dict | tuple)}

    def normalised(self, tasks: Sequence[str]) -> dict[str, float]:
        """One weight per task, which sum to the number of tasks."""
        return dict.fromkeys(tasks, 1.0)

    def default_preference(self, tasks: Sequence[str]) -> dict[str, float]:
        """The preference for which a network predicts by default: one share per task, which sum to 1."""
        return dict.fromkeys(tasks, 1.0 / len(tasks))

    def required_tasks(self) -> int:
        """Smallest number of tasks for these settings."""
        return self.min_tasks

    def stored_per_gradient(self) -> int:
        """Number of state values per value of the tasks' gradients, for the prediction of memory."""
        return 0

    def check(self, tasks: Collection[str]) -> None:
        """Check settings by task against the names of the tasks.

        Raises:
            ValueError: They name other tasks, have another number of values, or are all 0.
        """
        for name, given in self.by_task().items():
            if isinstance(given, dict) and set(given) != set(tasks):
                named, known = (", ".join(sorted(names)) for names in (given, tasks))
                raise ValueError(f"balancing.{name} names {named}; the tasks are {known}")
            if len(given) != len(tasks):
                raise ValueError(f"balancing.{name} has {len(given)} values; the tasks are {', '.join(tasks)}")
            if sum(given.values() if isinstance(given, dict) else given) <= 0.0:
                what = "weight" if name == "weights" else "share"
                raise ValueError(f"balancing.{name} are all 0: give at least one task a positive {what}")


class WeightMethod(Balancing):
    """Methods that return weights.

    Attributes:
        normalise: Scale each step's weights so that their absolute values sum to the number of tasks, so that a
            learning rate means the same for all methods; false keeps the scale of the method's paper.
        smoothing: Coefficient of the previous weights in a moving average, in [0, 1) (CR-MOGM; Zhou et al. 2022,
            NeurIPS).
    """

    normalise: bool = True
    smoothing: Annotated[float, PER_SLOT] = Field(default=0.0, ge=0.0, lt=1.0)

    @property
    def interval(self) -> int:
        """Steps between two choices of weights."""
        return 1


class GivenWeights(WeightMethod):
    """Methods that take given weights.

    Attributes:
        weights: `equal`, or one per task; they are normalised to sum to the number of tasks.
    """

    weights: Annotated[Literal["equal"] | dict[str, NonNegative], PER_SLOT, WHOLE] = "equal"

    def normalised(self, tasks: Sequence[str]) -> dict[str, float]:
        """The given weights, normalised to sum to the number of tasks."""
        if self.weights == "equal":
            return super().normalised(tasks)
        total = sum(self.weights[task] for task in tasks)
        return {task: len(tasks) * self.weights[task] / total for task in tasks}


class GradientBased(WeightMethod):
    """Methods that choose weights from the tasks' gradients on shared layers.

    Attributes:
        gradients: Gradients with respect to the shared `parameters`.
        every: Steps between two choices of weights.
    """

    reads_gradients = True

    gradients: Literal["parameters", "representation"] = "parameters"
    every: Annotated[int, STEPS] = Field(default=1, ge=1)

    @property
    def interval(self) -> int:
        """The setting `every`."""
        return self.every


class GramianBased(GradientBased):
    """Methods that read only the inner products of the gradients.

    Attributes:
        gradients: Gradients with respect to the shared `parameters`, or to the `representation` that the shared layers
            return, which is cheaper (Sener and Koltun 2018, section 3.3). Gradients of tasks on different rows are
            orthogonal there.
    """

    needs: ClassVar[tuple[Need, ...]] = ("gramian",)


class DirectionMethod(Balancing):
    """Methods that return no weights, but an update direction for the shared parameters."""

    needs: ClassVar[tuple[Need, ...]] = ("jacobian",)
    reads_gradients = True
    returns_weights = False

    gradients: Literal["parameters"] = "parameters"
