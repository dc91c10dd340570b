"""An experiment as the parameters of a run: the same keys whether weights are equal, given or searched."""

from typing import Any

from pipeline.config import Experiment, flatten


def parameters(experiment: Experiment) -> dict[str, Any]:
    """Dotted keys and values; the weights as normalised, one key a task."""
    values = flatten(experiment)
    weights = {key for key in values if key.startswith("balancing.weights")}
    chosen = experiment.balancing.normalised(list(experiment.tasks))
    return {key: value for key, value in values.items() if key not in weights} | {
        f"balancing.weights.{task}": weight for task, weight in chosen.items()
    }
