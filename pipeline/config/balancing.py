"""What an experiment may say about the weights of its tasks."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import Settings

Weight = Annotated[float, Field(ge=0.0)]


class BalancingSettings(Settings):
    """How w is chosen in L = sum of w_i * L_i.

    Attributes:
        method: `fixed`, weights that do not change during training.
        weights: `equal`, or one a task; they are normalised to sum to the number of tasks.
    """

    method: Literal["fixed"] = "fixed"
    weights: Literal["equal"] | dict[str, Weight] = "equal"

    def normalised(self, tasks: list[str]) -> dict[str, float]:
        """One weight a task, summing to the number of tasks."""
        if self.weights == "equal":
            return dict.fromkeys(tasks, 1.0)
        total = sum(self.weights[task] for task in tasks)
        return {task: len(tasks) * self.weights[task] / total for task in tasks}
