"""What a search writes of its trials into the study's storage.

Optuna's own `Trial` reads a trial back before it changes it, and stores every look by itself, in four queries. The
private parts of Optuna that this takes are used here alone (tried with 5.0). Storages other than databases are written
through their public methods.
"""

import math
from collections.abc import Sequence
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

Look = tuple[FrozenTrial, int, float]
"""A trial, the number of a look at validation from 1, and its objective."""


class TrialWriter:
    """Writes trials that are not finished.

    Args:
        study: That they belong to.
    """

    def __init__(self, study: Study) -> None:
        self._storage = study._storage

    def report(self, looks: Sequence[Look]) -> None:
        """Store looks that the study does not have yet: into a database all at once.

        Raises:
            StorageInternalError: The storage failed.
        """
        database = getattr(self._storage, "_backend", None)  # which Optuna wraps in a cache
        if not (looks and isinstance(database, RDBStorage) and _insert(database, looks)):
            for trial, number, objective in looks:
                self._storage.set_trial_intermediate_value(trial._trial_id, number, objective)

    def attribute(self, trial: FrozenTrial, name: str, value: Any) -> None:
        """Set an attribute."""
        self._storage.set_trial_user_attr(trial._trial_id, name, value)

    def end(self, trial: FrozenTrial, state: TrialState, value: float | None = None) -> None:
        """Store how a trial ended."""
        values = None if value is None or math.isnan(value) else [float(value)]
        self._storage.set_trial_state_values(trial._trial_id, state, values)


def _insert(database: RDBStorage, looks: Sequence[Look]) -> bool:
    """Store looks in one transaction; False where one of them is there already, and none was stored."""
    from optuna.storages._rdb.models import TrialIntermediateValueModel as Stored

    rows = []
    for trial, number, objective in looks:
        value, kind = Stored.intermediate_value_to_stored_repr(objective)
        own = {"intermediate_value": value, "intermediate_value_type": kind}
        rows.append({"trial_id": trial._trial_id, "step": number} | own)
    try:
        with database.engine.begin() as connection:
            connection.execute(insert(Stored), rows)
    except IntegrityError:
        return False
    except SQLAlchemyError as error:
        raise StorageInternalError("the looks of a batch could not be stored") from error
    return True
