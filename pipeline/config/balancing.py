"""What an experiment may say about the weights of its tasks."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.config.balancers import METHODS, Method
from pipeline.config.base import Settings, listed, shown, unknown

Weight = Annotated[float, Field(ge=0.0)]
_Positive = Annotated[float, Field(gt=0.0)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Shares = Annotated[Literal["equal"] | dict[str, Weight] | tuple[Weight, ...], BeforeValidator(listed)]

OF_SLOTS = (
    "smoothing", "temperature", "learning_rate", "decay", "mu", "theta", "alpha", "beta", "c", "max_norm", "iterations",
    "tau", "rho", "momentum", "pull", "gamma",
)  # fmt: skip
"""Settings in which networks that train side by side may differ."""


def known_method(name: str) -> str:
    """A method's name as it is.

    Raises:
        ValueError: There is no such method; the line names the nearest.
    """
    if name in METHODS:
        return name
    raise unknown("method", name, METHODS, "`headway show --balancers` lists them")


class BalancingSettings(Settings):
    """How w is chosen in L = sum of w_i * L_i. `headway show --balancers` lists the methods with their settings.

    A setting that is null is at the method's own default.

    Attributes:
        method: Such as `fixed`, weights that do not change during training.
        normalise: Scale each step's weights so that their absolute values sum to the number of tasks, which keeps the
            learning rate's meaning from method to method; false keeps the scale that the method's paper gives. Null is
            true, of methods that give weights.
        smoothing: Share of the last weights in the new ones, in [0, 1) (CR-MOGM; Zhou et al. 2022, NeurIPS).
        gradients: Of methods that read them: with respect to the shared `parameters`, or to the `representation` that
            the shared layers answer, which is cheaper (Sener and Koltun 2018, section 3.3). Tasks on different rows
            have nothing in common there.
        every: Of these methods: steps from one choice of weights to the next.
        weights: `equal`, or one a task; they are normalised to sum to the number of tasks.
        temperature: Of `dwa`: the higher, the more alike are the weights.
        learning_rate: Of the weights, or of what they come from.
        decay: Of `famo`, its weight decay.
        mu: Of `stch`: the smaller, the closer to the maximum.
        warmup: Of `stch`, epochs that descend on the sum of the losses' logarithms; one more follows where the nadir is
            estimated.
        nadir: Of `stch`, what each loss is divided by: its mean in the epoch after the `warmup`, or numbers by task.
        theta: Of `pbi`, the price of a distance from the preferred direction.
        alpha: Of `gradnorm`, the strength that brings lagging tasks back; of `fairgrad`, what is fair; of `cosmos`, the
            concentration of the preferences that are drawn: below 1 nearer to single tasks, above 1 to equal shares.
        beta: Of `gradvac` and `pcd`, the weight of the new or old values in their averages.
        c: Of `cagrad`, how far from the mean gradient.
        max_norm: Of `nash_mtl`, the largest norm of the shared gradient.
        iterations: Most steps of the method's own search.
        scale: Of `aligned_mtl`, from which singular value.
        tau: Of `pcd`, the share of progress that every task but the first is owed.
        rho: Of `modo`, its regularisation.
        momentum: Of `sdmgrad`, of its search.
        pull: Of `sdmgrad`, how strongly towards the mean (its lambda).
        byzantine: Of `krum`, how many gradients may be corrupt.
        selected: Of `krum`, how many gradients are taken.
        trimmed: Of `trimmed_mean`, how many values are left out at either end.
        gamma: Of `cosmos`, the price of an angle between the losses and their ray; compare it with the losses' size.
        ray: Of `cosmos`, in which direction losses are wanted: `mirrored`, smaller where the share is larger, or
            `preference`, larger where the share is larger, as published.
        preference: Of `cosmos`, what the trained network is asked for wherever nothing else is said: `equal`, or a
            share of each task, by name or in the tasks' order; they are normalised to sum to 1.
    """

    method: str = "fixed"
    normalise: bool | None = None
    smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    gradients: Literal["parameters", "representation"] = "parameters"
    every: int = Field(default=1, ge=1)
    weights: Literal["equal"] | dict[str, Weight] = "equal"
    temperature: _Positive | None = None
    learning_rate: _Positive | None = None
    decay: Weight | None = None
    mu: _Positive | None = None
    warmup: Annotated[int, Field(ge=0)] | None = None
    nadir: Literal["warmup"] | dict[str, _Positive] | None = None
    theta: Weight | None = None
    alpha: Weight | None = None
    beta: _Share | None = None
    c: Weight | None = None
    max_norm: Weight | None = None
    iterations: Annotated[int, Field(ge=1)] | None = None
    scale: Literal["min", "median", "rmse"] | None = None
    tau: _Share | None = None
    rho: Weight | None = None
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    pull: Weight | None = None
    byzantine: Annotated[int, Field(ge=0)] | None = None
    selected: Annotated[int, Field(ge=1)] | None = None
    trimmed: Annotated[int, Field(ge=1)] | None = None
    gamma: Weight | None = None
    ray: Literal["mirrored", "preference"] | None = None
    preference: _Shares = "equal"

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        return known_method(method)

    @model_validator(mode="after")
    def _consistent(self) -> "BalancingSettings":
        about = self.about
        own = {"method", *about.settings}
        own |= {"smoothing", "normalise"} if about.weighs else set()
        own |= {"gradients"} | ({"every"} if about.weighs else set()) if about.of_gradients else set()
        for name, field in type(self).model_fields.items():
            if name not in own and (value := getattr(self, name)) != field.default:
                raise ValueError(f"method '{self.method}' does not use {name}={shown(value)}: leave it out")
        if self.gradients == "representation" and self.about.needs != ("gramian",) and self.method != "gradnorm":
            raise ValueError(f"method '{self.method}' reads the gradients of parameters only: leave gradients out")
        if self.normalise is not False and self.max_norm is not None:
            raise ValueError(
                "normalise sets the scale of the weights, so that max_norm does nothing: leave it out, or set "
                "normalise=false"
            )
        if self.about.conditions and self.alpha == 0.0:
            raise ValueError(f"method '{self.method}' draws from a Dirichlet distribution: alpha is more than 0")
        return self

    @property
    def about(self) -> Method:
        """What is known of the method."""
        return METHODS[self.method]

    @property
    def weighted(self) -> bool:
        """Whether the method reads `weights`."""
        return "weights" in self.about.settings

    def value(self, name: str) -> Any:
        """A setting of the method, at its default where it is not given."""
        given = getattr(self, name)
        return self.about.settings[name] if given is None else given

    def normalised(self, tasks: list[str]) -> dict[str, float]:
        """One weight a task, summing to the number of tasks."""
        if self.weights == "equal":
            return dict.fromkeys(tasks, 1.0)
        total = sum(self.weights[task] for task in tasks)
        return {task: len(tasks) * self.weights[task] / total for task in tasks}

    def preferred(self, tasks: list[str]) -> dict[str, float]:
        """The preference: one share a task, summing to 1."""
        given = (1.0,) * len(tasks) if self.preference == "equal" else self.preference
        shares = given if isinstance(given, dict) else dict(zip(tasks, given, strict=True))
        total = sum(shares.values())
        return {task: shares[task] / total for task in tasks}
