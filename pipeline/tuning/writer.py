"""Writes trials into the study's storage.

Optuna's own `Trial` reads a trial before each change, and stores each intermediate value separately, in four queries.
Optuna's private interfaces are used in this file only (tried with 5.0). Storages that are not databases are written
through their public methods.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

Look = tuple[FrozenTrial, int, float]
"""A trial, the number of a validation from 1, and its objective."""


class TrialWriter:
    """Writes the results of unfinished trials.

    Args:
        study: The study of the trials.
    """

    def __init__(self, study: Study) -> None:
        self._storage = study._storage

    def report(self, looks: Sequence[Look]) -> None:
        """Store objectives of validations that the study does not have yet, into a database in one transaction.

        Raises:
            StorageInternalError: The storage failed.
        """
        if not (looks and self._insert("TrialIntermediateValueModel", map(_look, looks))):
            for trial, number, objective in looks:
                self._storage.set_trial_intermediate_value(trial._trial_id, number, objective)

    def attributes(self, values: Sequence[tuple[FrozenTrial, Mapping[str, Any]]]) -> None:
        """Set attributes of several trials, into a database in one transaction."""
        attributes = [(trial, name, value) for trial, of_trial in values for name, value in of_trial.items()]
        if not (attributes and self._insert("TrialUserAttributeModel", map(_attribute, attributes))):
            for trial, name, value in attributes:
                self._storage.set_trial_user_attr(trial._trial_id, name, value)

    def end(self, trial: FrozenTrial, state: TrialState, value: float | None = None) -> None:
        """Store the final state and value of a trial."""
        values = None if value is None or math.isnan(value) else [float(value)]
        self._storage.set_trial_state_values(trial._trial_id, state, values)

    def _insert(self, model: str, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Insert rows in one transaction; False if none was stored: this is no database, or it has one already."""
        from optuna.storages._rdb import models

        database = getattr(self._storage, "_backend", None)  # Optuna wraps it in a cache
        if not isinstance(database, RDBStorage):
            return False
        try:
            with database.engine.begin() as connection:
                connection.execute(insert(getattr(models, model)), list(rows))
        except IntegrityError:
            return False
        except SQLAlchemyError as error:
            raise StorageInternalError("the results of a batch could not be stored") from error
        return True


def _look(look: Look) -> dict[str, Any]:
    from optuna.storages._rdb.models import TrialIntermediateValueModel

    trial, number, objective = look
    value, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(objective)
    return {
        "trial_id": trial._trial_id, "step": number, "intermediate_value": value, "intermediate_value_type": kind,
    }  # fmt: skip


def _attribute(it: tuple[FrozenTrial, str, Any]) -> dict[str, Any]:
    trial, name, value = it
    return {"trial_id": trial._trial_id, "key": name, "value_json": json.dumps(value)}
