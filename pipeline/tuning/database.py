"""Optuna's storage in a database, made patient: nothing is lost while the database is away, and nothing stored twice.

Optuna adds a trial again where its answer was lost, reads a trial before each change, and stores each intermediate
value separately, in four queries. Its private tables and methods are used in this file only (tried with 5.0).
"""

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from pipeline.tuning.patience import Patience

Rows = Iterable[Mapping[str, Any]]

_REPEATABLE = (
    "create_new_study", "get_study_id_from_name", "get_study_name_from_id", "get_study_directions",
    "get_study_user_attrs", "get_study_system_attrs", "get_all_studies", "set_study_user_attr", "set_study_system_attr",
    "get_trial", "_get_trials", "set_trial_user_attr", "set_trial_intermediate_value",
)  # fmt: skip
"""Methods that may be called once more though they were done: they read, replace, or are refused the second time."""


class Database(RDBStorage):
    """A storage in a database.

    Args:
        url: Of the database.
        engine_kwargs: SQLAlchemy's options.
        patience: Waits while the database is away.

    Attributes:
        patience: The same.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any], patience: Patience) -> None:
        self.patience = patience
        opened = super().__init__
        patience(lambda _: opened(url, engine_kwargs))

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        """Add a trial once, in one transaction."""
        number: int | None = None

        def add(again: bool) -> FrozenTrial:
            nonlocal number
            with Session(self.engine) as session, session.begin():
                models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
                of_study = session.query(models.TrialModel).filter(models.TrialModel.study_id == study_id)
                count = of_study.count()
                if again and number is not None and count > number:
                    stored = of_study.filter(models.TrialModel.number == number).one()
                    found = RDBStorage.get_trial(self, int(stored.trial_id))
                    if template_trial is None or _alike(found, template_trial):
                        return found
                number = count
                return _frozen(self._get_prepared_new_trial(study_id, template_trial, session), template_trial)

        return self.patience(add)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set a trial's state once."""

        def end(again: bool) -> bool:
            if again and state.is_finished() and RDBStorage.get_trial(self, trial_id).state == state:
                return True
            return RDBStorage.set_trial_state_values(self, trial_id, state, values)

        return self.patience(end)

    def insert_looks(self, looks: Iterable[tuple[int, int, float]]) -> bool:
        """Insert intermediate values (ID of the trial, step, value) in one transaction; False if one is there."""
        stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
        rows = [(trial, step, *stored(value)) for trial, step, value in looks]
        names = ("trial_id", "step", "intermediate_value", "intermediate_value_type")
        return self._insert(models.TrialIntermediateValueModel, (dict(zip(names, row, strict=True)) for row in rows))

    def insert_attributes(self, attributes: Iterable[tuple[int, str, Any]]) -> bool:
        """Insert attributes (ID of the trial, name, value) in one transaction; False if one is there."""
        return self._insert(
            models.TrialUserAttributeModel,
            ({"trial_id": trial, "key": name, "value_json": json.dumps(value)} for trial, name, value in attributes),
        )

    def note(self, study_id: int, name: str) -> str | None:
        """A system attribute of a study as text, None if there is none; the database is not waited for."""
        with self.engine.connect() as connection:
            return note_in(connection, study_id, name)

    def swap_note(self, study_id: int, name: str, old: str | None, new: str) -> bool:
        """Replace a system attribute of a study, if it is as expected; the database is not waited for.

        Args:
            study_id: Of the study.
            name: Of the attribute.
            old: As it is expected, JSON as text; None if there is none.
            new: As it becomes, JSON as text.

        Returns:
            Whether it was as expected.
        """
        table = models.StudySystemAttributeModel
        try:
            with self.engine.begin() as connection:
                if old is None:
                    connection.execute(insert(table).values(study_id=study_id, key=name, value_json=new))
                    return True
                change = update(table).where(table.study_id == study_id, table.key == name, table.value_json == old)
                return connection.execute(change.values(value_json=new)).rowcount == 1
        except IntegrityError:
            return False

    def _insert(self, table: Any, rows: Rows) -> bool:
        stored = list(rows)

        def store(_: bool) -> bool:
            try:
                with self.engine.begin() as connection:
                    connection.execute(insert(table), stored)
            except IntegrityError:
                return False
            return True

        try:
            return self.patience(store)
        except SQLAlchemyError as error:
            raise StorageInternalError("the results of a batch could not be stored") from error


_NOTE = select(models.StudySystemAttributeModel.value_json).where(
    models.StudySystemAttributeModel.study_id == bindparam("study"),
    models.StudySystemAttributeModel.key == bindparam("name"),
)
_LOCKED_NOTE = _NOTE.with_for_update(read=True)  # made once: to make and compile it costs more than to execute it


def note_in(connection: Connection, study_id: int, name: str, locked: bool = False) -> str | None:
    """A system attribute of a study as text, in a transaction; `locked` keeps it as it is until that ends."""
    return connection.execute(_LOCKED_NOTE if locked else _NOTE, {"study": study_id, "name": name}).scalar()


def _frozen(trial: Any, template: FrozenTrial | None) -> FrozenTrial:
    """A trial that was just added."""
    it = copy.deepcopy(template)
    return FrozenTrial(
        number=trial.number, state=trial.state, value=None, values=it.values if it else None,
        datetime_start=trial.datetime_start, datetime_complete=trial.datetime_complete, trial_id=trial.trial_id,
        params=it.params if it else {}, distributions=it.distributions if it else {},
        user_attrs=it.user_attrs if it else {}, system_attrs=it.system_attrs if it else {},
        intermediate_values=it.intermediate_values if it else {},
    )  # fmt: skip


def _alike(stored: FrozenTrial, template: FrozenTrial) -> bool:
    """Whether a stored trial is the one that was to be added."""
    return (stored.params, stored.user_attrs) == (template.params, json.loads(json.dumps(template.user_attrs)))


def _patient(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @wraps(method)
    def patient(self: Database, *args: Any, **kwargs: Any) -> Any:
        return self.patience(lambda _: method(self, *args, **kwargs))

    return patient


for _name in _REPEATABLE:
    setattr(Database, _name, _patient(_name))
