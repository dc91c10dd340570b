"""Writes trials into the study's storage.

Storages that are not databases are written through their public methods. Of Optuna's private attributes, those of a
study and of a trial are used in this file only (tried with 5.0).
"""

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.tuning.database import Database

Look = tuple[FrozenTrial, int, float]
"""A trial, the number of a validation from 1, and its objective."""


class TrialWriter:
    """Writes the results of unfinished trials.

    As a context, it waits for a storage that is away no longer once the program is to end.

    Args:
        study: The study of the trials.
    """

    def __init__(self, study: Study) -> None:
        self._storage = study._storage
        self._study_id = self._storage.get_study_id_from_name(study.study_name)
        backend = getattr(self._storage, "_backend", None)  # Optuna wraps a database in a cache
        self._database = backend if isinstance(backend, Database) else None

    def __enter__(self) -> "TrialWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if kind is not None and self._database:
            self._database.patience.give_up()

    def add(self, trial: FrozenTrial, number: int) -> None:
        """Store a new trial, which will have this number, with all that it has; nobody reads the study for it."""
        trial._trial_id, trial.number = self._storage.create_new_trial(self._study_id, trial), number

    def report(self, looks: Sequence[Look]) -> None:
        """Store objectives of validations that the study does not have yet, into a database in one transaction.

        Raises:
            StorageInternalError: The storage failed.
        """
        rows = [(trial._trial_id, number, objective) for trial, number, objective in looks]
        if rows and not (self._database and self._database.insert_looks(rows)):
            for row in rows:
                self._storage.set_trial_intermediate_value(*row)

    def attributes(self, values: Sequence[tuple[FrozenTrial, Mapping[str, Any]]]) -> None:
        """Set attributes of several trials, into a database in one transaction."""
        rows = [(trial._trial_id, name, value) for trial, of_trial in values for name, value in of_trial.items()]
        if rows and not (self._database and self._database.insert_attributes(rows)):
            for row in rows:
                self._storage.set_trial_user_attr(*row)

    def end(self, trial: FrozenTrial, state: TrialState, value: float | None = None) -> None:
        """Store the final state and value of a trial."""
        values = None if value is None or math.isnan(value) else [float(value)]
        self._storage.set_trial_state_values(trial._trial_id, state, values)
