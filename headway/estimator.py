"""An experiment as an estimator of scikit-learn: one network for several targets of mixed kinds.

Legend of shapes: B rows, F inputs, T targets, C classes of a target.
"""

import atexit
import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data

from headway.experiment import Experiment
from headway.model import Model
from headway.written import save_table

_CLASSES = ("binary", "multiclass")
_KINDS = (*_CLASSES, "regression")
_MOST = 50  # whole numbers of more different values are taken for amounts
_SOURCE, _INPUT, _TARGET = "rows", "input_", "target_"

Kinds = str | Sequence[str | None] | Mapping[str, str | None] | None


def _may_have_classes(estimator: "MultiTaskEstimator") -> bool:
    kinds = estimator.targets_.values() if hasattr(estimator, "targets_") else [estimator.targets]
    return any(kind != "regression" for kind in kinds)


class MultiTaskEstimator(BaseEstimator):
    """A network with shared layers and an output a target: `regression`, `binary` or `multiclass`, in any mixture.

    `fit` runs `evaluate` of an experiment in which nothing is searched and nothing compared, unless `settings` say so.
    A tenth of the rows is kept for validation and a tenth for the test. The same data and parameters give the same
    network, and where the project has it, it is not trained again.

    >>> from sklearn.datasets import load_iris
    >>> import headway
    >>> rows = load_iris(as_frame=True).frame
    >>> inputs, targets = rows.iloc[:, :3], rows.iloc[:, 3:]  # the width of the petals, and the species
    >>> model = headway.MultiTaskEstimator({"target": "multiclass"}).fit(inputs, targets)
    >>> model.targets_
    {'petal width (cm)': 'regression', 'target': 'multiclass'}
    >>> model.score(inputs, targets) > 0.9
    True

    Args:
        targets: The kind of each target: one for all, a list in their order, or by name. What is not given is told by
            the values, as scikit-learn's `type_of_target` does, where whole numbers of more than 50 different values
            are amounts.
        settings: Values by dotted key over those of the experiment, such as `{"training.seeds": 3, "device": "cpu"}`.
        project: The project folder that keeps runs and outputs, see `headway.Experiment`; None for a temporary one,
            which the estimators of a process share.
        random_state: The seed, a whole number from 0; None is 0.
        verbose: Whether progress is shown.

    Attributes:
        n_features_in_: F.
        feature_names_in_: The names of a frame's columns.
        targets_: The kind of each target by its name.
        classes_: Classes [C] of the one target; of several a list of these, or in a frame's case by name, without
            targets that have none.
        experiment_: What was trained: its other commands, such as `experiment_.compare()`, go on with it.
        result_: What `evaluate` found, with the metrics on the test rows.
    """

    def __init__(
        self,
        targets: Kinds = None,
        *,
        settings: Mapping[str, Any] | None = None,
        project: str | Path | None = None,
        random_state: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.targets = targets
        self.settings = settings
        self.project = project
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> "MultiTaskEstimator":
        """Train.

        Args:
            X: Inputs [B, F]: a frame of numbers, categories, dates and texts, or an array of numbers; values may be
                missing.
            y: Targets [B] or [B, T]: a frame, a series or an array. Missing ones are left out of the loss.

        Raises:
            ValueError: Inputs, targets or a parameter are wrong; where Headway finds it, a `headway.UserError`.
            Failure: A step failed.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        inputs, targets = self._inputs(X, reset=True), _targets(y)
        check_consistent_length(inputs, targets)
        if len(inputs) < 2:
            raise ValueError("n_samples=1: a network needs more than one row to learn from")
        self._given_as = "frame" if isinstance(y, pd.DataFrame) else "rows" if np.asarray(y).ndim == 2 else "one"
        self.targets_ = self._kinds(targets)
        self._classes = {name: _different(targets[name]) for name, kind in self.targets_.items() if kind in _CLASSES}
        if single := [name for name, classes in self._classes.items() if len(classes) < 2]:
            raise ValueError(f"{single[0]} has one class: there is nothing to predict")
        self.__dict__.pop("classes_", None)  # of an earlier fit
        if self._classes:
            self.classes_ = self._as_given(self._classes)
        self.experiment_ = self._experiment(inputs, targets)
        self.result_ = self.experiment_.evaluate(quiet=not self.verbose)
        self._model = self.result_.open_model()
        return self

    def predict(self, X: Any) -> Any:
        """Predict every target of every row.

        Args:
            X: Inputs [B, F] as of `fit`.

        Returns:
            Classes and amounts, [B] or [B, T] or a frame, as `fit` was given targets.
        """
        answers = self._answers(X)
        found = {
            name: self._classes[name][answers[f"{task}/class"].astype(int).to_numpy()]
            if name in self._classes
            else answers[f"{task}/value"].to_numpy(np.float64)
            for name, task in self._tasks.items()
        }
        if self._given_as == "one":
            return self._as_given(found)
        frame = pd.DataFrame(found, index=X.index if isinstance(X, pd.DataFrame) else None)
        return frame if self._given_as == "frame" else frame.to_numpy()

    @available_if(_may_have_classes)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def predict_proba(self, X: Any) -> Any:
        """Predict the probability of each class.

        Args:
            X: Inputs [B, F] as of `fit`.

        Returns:
            [B, C] in the order of `classes_` of the one target; a list of these, or in a frame's case by name, of
            several, without those that have no classes.
        """
        answers = self._answers(X)
        found = {}
        for name, classes in self._classes.items():
            columns = [f"{self._tasks[name]}/probability/{place}" for place in range(len(classes))]
            found[name] = answers.reindex(columns=columns, fill_value=0.0).to_numpy(np.float64)
        return self._as_given(found)

    def score(self, X: Any, y: Any) -> float:
        """The mean over targets of accuracy, or R2 of an amount, over the rows whose target is known.

        Args:
            X: Inputs [B, F] as of `fit`.
            y: Targets as of `fit`.
        """
        truth, predicted = _targets(y), _targets(self.predict(X))
        scores = []
        for place, kind in enumerate(self.targets_.values()):
            known = truth.iloc[:, place].notna()
            pair = [frame.iloc[:, place][known].to_numpy() for frame in (truth, predicted)]
            amounts = kind == "regression"
            scores.append(r2_score(*(it.astype(np.float64) for it in pair)) if amounts else accuracy_score(*pair))
        return float(np.mean(scores))

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn may expect; a classifier or regressor only where `targets` says so in one word."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        if self.targets in _CLASSES:
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_class=self.targets == "multiclass")
        elif self.targets == "regression":
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """With the files of the model in the place of their folder."""
        state = dict(super().__getstate__())
        return state | {"_model": _packed(self._model.folder)} if "_model" in state else state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """With the files of the model in a temporary folder."""
        own = {"_model": _unpacked(state["_model"])} if "_model" in state else {}
        super().__setstate__({**state, **own})

    @property
    def _tasks(self) -> dict[str, str]:
        """What the experiment calls each target."""
        return {name: f"{_TARGET}{place}" for place, name in enumerate(self.targets_)}

    def _as_given(self, found: dict[str, Any]) -> Any:
        """What is known by target, as `fit` was given targets: of the one, by name of a frame, else in their order."""
        if self._given_as == "frame":
            return found
        return next(iter(found.values())) if self._given_as == "one" else list(found.values())

    def _inputs(self, X: Any, reset: bool) -> pd.DataFrame:
        """The inputs, with names that are no target's."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = X.reset_index(drop=True)
        else:
            frame = pd.DataFrame(validate_data(self, X, reset=reset, ensure_all_finite="allow-nan"))
        return frame.set_axis([f"{_INPUT}{place}" for place in range(frame.shape[1])], axis=1)

    def _answers(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self)
        return self._model.predict(self._inputs(X, reset=False))

    def _kinds(self, targets: pd.DataFrame) -> dict[str, str]:
        """The kind of each target by its name."""
        names = list(targets.columns)
        if isinstance(self.targets, Mapping):
            given: Mapping[str, str | None] = self.targets
            if unknown := [name for name in given if name not in names]:
                raise ValueError(f"targets: there is no target '{unknown[0]}'; they are {', '.join(names)}")
        else:
            listed = (
                [self.targets] * len(names) if self.targets is None or isinstance(self.targets, str) else self.targets
            )
            if len(listed) != len(names):
                raise ValueError(f"targets: {len(listed)} kinds for {len(names)} targets")
            given = dict(zip(names, listed, strict=True))
        return {name: _kind(targets[name], given.get(name)) for name in names}

    def _experiment(self, inputs: pd.DataFrame, targets: pd.DataFrame) -> Experiment:
        """The experiment on these rows, which has the same name for the same rows."""
        tasks = {self._tasks[name]: {"kind": kind, "source": _SOURCE} for name, kind in self.targets_.items()}
        columns = {self._tasks[name]: self._encoded(name, targets[name]) for name in self.targets_}
        table = inputs.assign(**columns)
        file = io.BytesIO()
        save_table(table, file)
        content = hashlib.sha256(file.getvalue() + repr(tasks).encode()).hexdigest()[:12]
        project = Path(self.project or _scratch())
        name, path = f"estimator_{content}", Path("data", f"estimator_{content}.parquet")
        (project / path.parent).mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(file.getvalue())
        kinds = {name: "numeric" if _is_amount(inputs[name]) else "auto" for name in inputs}
        return Experiment(
            name=name,
            project=project,
            settings={"seed": self.random_state or 0, **(self.settings or {})},
            sources={_SOURCE: {"kind": "table", "path": path.as_posix(), "inputs": kinds, "missing": []}},
            tasks=tasks,
            data={"test": 0.1},
            model={"trunk": {"kind": "tabular", "widths": [128, 128], "dropout": 0.1}},
            training={"batch_size": 64, "seeds": 1},
            tuning=None,
            baselines={"single": False, "reference": False},
        )

    def _encoded(self, name: str, values: pd.Series) -> pd.Series:
        """Amounts as they are, classes by their number; missing ones stay so."""
        if name not in self._classes:
            return pd.to_numeric(values).astype(np.float64)
        return pd.Series(pd.Categorical(values, self._classes[name]).codes).astype("Int64").replace(-1, pd.NA)


def _targets(y: Any) -> pd.DataFrame:
    """The targets as a frame, whose columns are named by text."""
    if isinstance(y, pd.DataFrame):
        return y.reset_index(drop=True).set_axis(list(map(str, y.columns)), axis=1)
    values = check_array(y, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="y")
    frame = pd.DataFrame(values)
    return frame.set_axis([f"{_TARGET}{place}" for place in range(frame.shape[1])], axis=1)


def _kind(values: pd.Series, given: str | None) -> str:
    """The kind of a target.

    Raises:
        ValueError: It is given and unknown, or its values tell none.
    """
    if given is not None and given not in _KINDS:
        raise ValueError(f"targets: '{given}' of {values.name} is no kind; they are {', '.join(_KINDS)}")
    known = values.dropna()
    if given != "regression":
        if given:
            check_classification_targets(known.to_numpy())
        told = type_of_target(known.to_numpy(), input_name=str(values.name))
        many = _is_amount(values) and known.nunique() > _MOST
        if not given and (told == "continuous" or (told == "multiclass" and many)):
            return "regression"
        if told not in _CLASSES:
            raise ValueError(f"Unknown label type: {told} of {values.name}; targets={{...}} gives its kind")
        return "binary" if told == "binary" else "multiclass"
    try:
        pd.to_numeric(known)
    except (ValueError, TypeError):
        raise ValueError(f"Unknown label type: {values.name} holds no numbers, so it is none of a regression") from None
    return given


def _is_amount(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)


def _different(values: pd.Series) -> np.ndarray:
    """The classes of a target [C], in order."""
    return np.unique(values.dropna().to_numpy())


@cache
def _scratch() -> str:
    """The project of estimators that are given none; it goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="headway-estimators-")
    (Path(folder) / "MLproject").touch()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _packed(folder: Path) -> bytes:
    """The files of a folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def _unpacked(packed: bytes) -> Model:
    """The model in a folder that lives as long as the process."""
    folder = tempfile.mkdtemp(prefix="headway-model-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    return Model.load(folder)
