"""MLflow's check of a model's requirements, without its scan of all installed packages."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.utils import requirements_utils

_MAP = "_MODULES_TO_PACKAGES"  # of MLflow 3.10 to 3.17; without it, nothing is different


@contextmanager
def without_scan() -> Iterator[None]:
    """Have MLflow look up the versions of what a model requires by name alone, when one is logged or loaded.

    It maps every installed module to its package first, which takes .35 s, for packages that are not found by name.
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
