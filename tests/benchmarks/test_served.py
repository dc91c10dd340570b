"""Served answers are compared in pairs, with a model by hand that answers the same columns."""

import itertools

import numpy as np
import pandas as pd

from benchmarks import served
from benchmarks.rivals.served_by_hand import CLASSES, ByHand
from pipeline.serving.decisions import decision_of
from pipeline.serving.specification import TaskSpec


def test_the_model_by_hand_answers_the_columns_that_ours_answers() -> None:
    model = ByHand()
    model.load_context(None)
    found = model.predict(None, pd.DataFrame(np.zeros((3, served.PIXELS))))
    kinds = {task: "multiclass" if len(classes) > 2 else "binary" for task, classes in CLASSES.items()}
    ours = {
        f"{task}/{name}": kind
        for task, classes in CLASSES.items()
        for name, kind in decision_of(TaskSpec(kinds[task], "digits", classes)).columns().items()
    }
    types = {"int64": "long", "float32": "float", "str": "string"}
    assert {name: types[str(it)] for name, it in found.dtypes.items()} == ours
    assert list(found) == list(ours)


def test_ratios_are_taken_within_a_turn() -> None:
    times = {served.OURS: 3.0, served.PLAIN: 2.0, served.SAME: 3.0, served.SERVE: 1.0}
    turns = itertools.product(enumerate([1.0, 10.0, 100.0]), times.items(), served.FORMS)
    rows = [
        {"name": f"{name}, {form}", "repeat": repeat, "seconds": slow * seconds, "cpu_seconds": seconds}
        for (repeat, slow), (name, seconds), form in turns
    ]
    lines = served._shown(pd.DataFrame(rows)).splitlines()
    assert lines.count(f"inputs: {served.OURS} / {served.PLAIN}: 1.50 [1.50, 1.50]") == 2
    assert lines.count(f"dataframe_split: {served.SERVE} / {served.PLAIN}: 0.50 [0.50, 0.50]") == 2
