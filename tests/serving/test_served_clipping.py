"""The served model clips what it reads as training did, and what it answers; one from before clips neither."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import r2_score

from pipeline.analysis.number_scores import NumberScorer
from pipeline.data.encodings.columns import ColumnsEncoder, ColumnsEncoding
from pipeline.data.prepared import Prepared
from pipeline.serving.decisions import decision_of
from pipeline.serving.open_model import open_model
from pipeline.serving.rows import Rows
from pipeline.serving.slots import one_slot
from pipeline.serving.specification import SourceSpec, TaskSpec
from pipeline.stacked import HOST, Targets
from pipeline.steps.gate import r2
from pipeline.training import saved
from pipeline.training.tallies import metrics, tally_of
from tests.serving.packages import PREPARED, SLOTS, experiment, frame, log, probabilities, rows, save, store

ROWS = 3000
INPUTS = {"area": "numeric", "town": "categorical", "rare": "numeric"}
LOW, HIGH = 305.0, 310.0


def table() -> pd.DataFrame:
    draws = np.random.default_rng(0)
    area = draws.lognormal(0.0, 2.0, ROWS)
    area[draws.random(ROWS) < 0.1] = np.nan
    return pd.DataFrame(
        {"area": area, "town": draws.choice(["Bern", "Oslo"], ROWS), "rare": (np.arange(ROWS) == 7).astype(float)}
    )


def batch(rows: pd.DataFrame) -> pa.RecordBatch:
    return pa.Table.from_pandas(rows, preserve_index=False).combine_chunks().to_batches()[0]


def encoding(clip: tuple[float, float] | None = (0.001, 0.999)) -> ColumnsEncoding:
    encoder = ColumnsEncoder("own", Path("own.csv"), INPUTS, 10, ROWS, clip)
    return encoder.fit([(batch(table()), np.arange(ROWS) % 3 > 0)])


def encoded(about: dict[str, Any], frame: pd.DataFrame, first: int) -> np.ndarray:
    source = SourceSpec([1], 1.0, encoding=about)
    return Rows.of("own", source).values(frame, first)


@pytest.mark.parametrize("clip", [(0.001, 0.999), (0.1, 0.8), None])
def test_rows_are_encoded_bit_for_bit_as_in_training(clip: tuple[float, float] | None) -> None:
    how = encoding(clip)
    far = pd.concat([table(), pd.DataFrame({"area": [1e12, -1e12], "town": ["Rome", None], "rare": [9.0, -9.0]})])
    wanted = how.encode(batch(far))
    as_in_the_spec = json.loads(json.dumps(how.about))
    found = encoded(as_in_the_spec, far, 0)
    assert found.tobytes() == wanted.tobytes()
    if clip:
        low, high = as_in_the_spec["columns"][0]["clip"]
        at_the_ends = encoded(as_in_the_spec, far[-2:].assign(area=[high, low]), 0)
        np.testing.assert_array_equal(found[-2:], at_the_ends)


def test_an_infinite_number_is_still_refused() -> None:
    with pytest.raises(ValueError, match=r"row 2 \(from 0\), column 'area': .*inf.* is no finite number"):
        encoded(encoding().about, table().assign(area=lambda it: it["area"].where(it.index != 2, np.inf)), 0)


@pytest.mark.parametrize(
    "value", [1e39, -1.7976931348623157e308, 10**400, "1,234.5"], ids=["1e39", "sentinel", "10**400", "words"]
)
def test_what_is_no_number_to_compute_with_is_refused_by_row_and_column(value: object) -> None:
    far = table().astype({"area": object})
    far.loc[5, "area"] = value
    with pytest.raises(ValueError, match=r"row 8 \(from 0\), column 'area': .* is no finite number"):
        encoded(encoding().about, far, 3)


def test_a_number_too_large_beside_those_of_training_is_refused_by_row_and_column() -> None:
    (area, *_) = (about := encoding(None).about)["columns"]
    area["std"] = 1e-9
    with pytest.raises(ValueError, match=r"row 5 \(from 0\), column 'area': 1e\+30 is too large beside"):
        encoded(about, table().assign(area=lambda it: it["area"].where(it.index != 2, 1e30)), 3)


def test_an_encoding_from_before_encodes_as_before() -> None:
    about = encoding(None).about
    (area, *_) = about["columns"]
    assert set(area) == {"name", "kind", "mean", "std", "marked"}
    found = encoded(about, pd.DataFrame({"area": [1e9], "town": ["Bern"], "rare": [0.0]}), 0)
    assert found[0, 0] == np.float32((1e9 - area["mean"]) / area["std"])


def prepared(**price: float) -> Prepared:
    return replace(PREPARED, tasks=PREPARED.tasks | {"price": replace(PREPARED.tasks["price"], **price)})


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Prices as the stack gives them, and as the served models with and without a range answer."""
    folder, x, found = tmp_path_factory.mktemp("models"), rows(200), {}
    with store(folder) as client:
        for name, own in {"before": prepared(), "range": prepared(low=LOW, high=HIGH)}.items():
            (folder / name).mkdir()
            path = save(folder / name, experiment(own), own)
            model = open_model(log(client, path)).unwrap_python_model()
            found[name] = model.predict(None, frame(x))["price/value"].to_numpy()
            found[f"{name}, prepared"] = model.answers("plain", x)["price/value"].to_numpy()
            found[f"{name}, spec"] = one_slot(path, SLOTS[0])[0].json()["tasks"]["price"]
        found["stack"] = probabilities(path, experiment(own), SLOTS[0], x, own)["price"][:, 0]
    return found


def test_answers_are_within_the_range_of_training_value_for_value(values: dict[str, Any]) -> None:
    assert values["range, spec"]["low"] == LOW
    np.testing.assert_allclose(values["range"], values["stack"].clip(LOW, HIGH), rtol=1e-6)
    np.testing.assert_array_equal(values["range"], values["range, prepared"])
    assert {values["range"].min(), values["range"].max()} == {LOW, HIGH}  # to the last bit
    assert ((values["range"] > LOW) & (values["range"] < HIGH)).any()


def test_scores_tallies_and_the_gate_measure_the_answers_that_are_served(values: dict[str, Any]) -> None:
    task = prepared(low=LOW, high=HIGH).tasks["price"]
    labels = np.random.default_rng(3).normal(3.0, 0.5, len(values["stack"])).astype(np.float32)  # about 310
    logits = torch.from_numpy((values["stack"] - task.mean) / task.std).float().view(1, -1, 1)
    targets = Targets.of(torch.from_numpy(labels).unsqueeze(0))
    scorer, tally = NumberScorer(task), tally_of([task], HOST)
    scorer.take(logits, targets)
    tally.take(logits, targets)
    wanted = r2_score(task.mean + task.std * labels, values["range"])
    assert wanted != pytest.approx(r2_score(task.mean + task.std * labels, values["before"]), abs=1e-3)
    assert scorer.scores(labels).metrics["r2"][0] == pytest.approx(wanted, rel=1e-5)
    assert metrics({"price": tally})[0]["price/r2"] == pytest.approx(wanted, rel=1e-5)
    assert r2(task, {"value": pd.Series(values["range"])}, labels) == pytest.approx(wanted, rel=1e-5)


def test_a_model_from_before_answers_as_before(values: dict[str, Any]) -> None:
    assert set(values["before, spec"]) == {"kind", "source", "classes", "mean", "std"}
    np.testing.assert_allclose(values["before"], values["stack"], rtol=1e-6)
    assert values["before"].min() < LOW < HIGH < values["before"].max()


def test_what_is_no_number_stays_none() -> None:
    task = TaskSpec("regression", "plain", [], mean=1.0, std=2.0, low=0.0, high=3.0)
    answer = decision_of(task).predict(torch.tensor([[torch.inf], [-torch.inf], [torch.nan], [9.0], [-9.0], [0.25]]))[
        "value"
    ]
    np.testing.assert_array_equal(answer, [np.inf, -np.inf, np.nan, 3.0, 0.0, 1.5])


def test_the_range_is_in_what_is_saved_of_the_task(tmp_path: Path) -> None:
    own = prepared(low=LOW, high=HIGH)
    about = saved.about(save(tmp_path, experiment(own), own))["tasks"]
    assert (about["price"]["low"], about["price"]["high"]) == (LOW, HIGH)
    assert "low" not in about["colour"]
