"""Turns off MLflow's scan of all installed packages when it checks a model's requirements."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.utils import requirements_utils

_MAP = "_MODULES_TO_PACKAGES"  # in MLflow 3.10 to 3.17; without it, MLflow is left as it is


@contextmanager
def without_scan() -> Iterator[None]:
    """Let MLflow look up the versions of a model's requirements by name only, when a model is logged or loaded.

    Otherwise it first maps every installed module to its package, which takes 0.35 s, for packages that are not found
    by name.
    """
    before = getattr(requirements_utils, _MAP, 0)
    if before is not None:
        yield
        return
    setattr(requirements_utils, _MAP, {})
    try:
        yield
    finally:
        setattr(requirements_utils, _MAP, None)
