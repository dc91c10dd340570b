"""Headway from Python: the same steps, keys and runs as the command `headway`.

    >>> import tempfile
    >>> import headway
    >>> from sklearn.datasets import load_iris
    >>> frame = load_iris(as_frame=True).frame.rename(columns={"petal width (cm)": "width", "target": "species"})
    >>> folder = tempfile.TemporaryDirectory()  # the project; by default that of the working directory
    >>> targets = {"width": "regression", "species": "multiclass"}
    >>> irises = headway.Experiment(frame, targets, name="irises", project=folder.name)
    >>> quick = irises.set({"training.updates": 100, "training.seeds": 2, "tuning": None, "data.test": 0.2})
    >>> result = quick.run(quiet=True)
    >>> result.decision in ("helps", "hurts", "mixed", "no_difference", "unknown", "no_claim")
    True
    >>> sorted(result.metrics["task"].unique())
    ['species', 'width']
    >>> model = result.open_model()  # or headway.Model.load("models:/irises@champion")
    >>> model.predict(frame.head(2)).shape  # [B, columns of the answers]
    (2, 6)
    >>> folder.cleanup()

What is offered here is imported when it is first used: `import headway` imports no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.estimator import MultiTaskEstimator as MultiTaskEstimator
    from headway.experiment import Experiment as Experiment
    from headway.model import Model as Model
    from headway.results import Result as Result
    from pipeline.errors import Failure as Failure, UserError as UserError

_PLACES = {
    "Experiment": "headway.experiment",
    "Failure": "pipeline.errors",
    "Model": "headway.model",
    "MultiTaskEstimator": "headway.estimator",
    "Result": "headway.results",
    "UserError": "pipeline.errors",
}

__all__ = ["Experiment", "Failure", "Model", "MultiTaskEstimator", "Result", "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("headway")
    if name not in _PLACES:
        raise AttributeError(f"module 'headway' has no attribute '{name}'; it has {', '.join(sorted(_PLACES))}")
    from headway.hidden import check_not_hidden

    check_not_hidden()
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
