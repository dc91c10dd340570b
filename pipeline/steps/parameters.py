"""An experiment as the parameters of a run: the same keys whether weights are equal, given or searched."""

from typing import Any

from pipeline.config import Experiment, flatten


def parameters(experiment: Experiment) -> dict[str, Any]:
    """Dotted keys and values; of balancing those that are set, the weights as normalised, one key a task."""
    balancing = experiment.balancing
    values = {key: it for key, it in flatten(experiment).items() if not key.startswith("balancing.")}
    own = balancing.model_dump(mode="json", exclude={"weights"}, exclude_none=True)
    values |= {f"balancing.{name}": value for name, value in own.items()}
    values |= {f"balancing.{name}": balancing.value(name) for name in balancing.about.settings if name != "weights"}
    if balancing.weighted:
        chosen = balancing.normalised(list(experiment.tasks))
        values |= {f"balancing.weights.{task}": weight for task, weight in chosen.items()}
    return values
