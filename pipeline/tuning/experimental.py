"""The one place that silences Optuna's warnings of experimental features, those that Headway uses on purpose."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.exceptions import ExperimentalWarning


@contextmanager
def experimental() -> Iterator[None]:
    """Suppress these warnings: of grouped and multivariate TPE, of quasi-random search, and of names of objectives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
