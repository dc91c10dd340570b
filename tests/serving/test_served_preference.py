"""Models that are given a preference: by their own and by any other they answer what the stack answers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.model.layers import Preference
from pipeline.serving.open_model import described, open_model
from pipeline.serving.rebuilt import rebuilt
from pipeline.training.saved import load_network
from tests.serving.packages import PREPARED, SLOTS, experiment, frame, log, probabilities, rows, save
from tests.serving.test_served_model import ALONE
from tests.serving.test_served_trunks import IMAGES, SIDE

CASES: dict[str, tuple[Prepared, dict[str, Any]]] = {
    "rows": (PREPARED, {}),
    "mmoe": (PREPARED, {"sharing": "mmoe"}),
    "norms a source": (PREPARED, {"trunk": {"norm": "batch_per_source"}}),
    "lenet": (IMAGES, {"trunk": {"kind": "lenet"}}),
    "ple of resnets": (IMAGES, {"sharing": "ple", "trunk": {"kind": "resnet", "channels": [3, 4]}}),
}
ASKED = ALONE.replace("folder, *uris", "folder, tasks, *uris").replace(
    ".predict(frame)", ".predict(frame, params={'preference': [0.5, *[0.0] * (int(tasks) - 2), 1.5]})"
)
"""The same, which asks for a preference among so many tasks."""


def conditioned(prepared: Prepared, model: dict[str, Any], own: list[float]) -> Experiment:
    return with_values(experiment(prepared, **model), {"balancing.method": "cosmos", "balancing.preference": own})


def uneven(prepared: Prepared) -> list[float]:
    """More for every next task."""
    return [float(place + 1) for place in range(len(prepared.tasks))]


def asked(prepared: Prepared) -> list[float]:
    return [0.25, *[0.0] * (len(prepared.tasks) - 2), 0.75]


@pytest.mark.parametrize("case", CASES)
def test_a_process_without_pipeline_answers_by_any_preference(
    case: str, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    prepared, model = CASES[case]
    x = rows(5, SIDE * SIDE if prepared is IMAGES else 6)
    like, wanted = conditioned(prepared, model, uneven(prepared)), conditioned(prepared, model, asked(prepared))
    path = save(tmp_path, like, prepared, spread=0.3)
    uri = log(client, path, SLOTS[1])
    np.save(tmp_path / "rows.npy", x)
    count = str(len(prepared.tasks))
    for number, (script, more, told) in enumerate(((ALONE, [], like), (ASKED, [count], wanted))):
        folder = tmp_path / str(number)
        folder.mkdir()
        np.save(folder / "rows.npy", x)
        command = [sys.executable, "-I", "-c", script, mlflow.get_tracking_uri(), str(folder), *more, uri]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answer = pd.read_parquet(folder / "0.parquet")
        # The same values under another preference: a stack that was told so when it was built.
        for task, probability in probabilities(path, told, SLOTS[1], x, prepared).items():
            if prepared.tasks[task].kind == "regression":
                np.testing.assert_allclose(answer[[f"{task}/value"]], probability, rtol=1e-5)
                continue
            found = answer[[f"{task}/probability/{it}" for it in prepared.tasks[task].classes]]
            np.testing.assert_allclose(found, probability, atol=1e-5, rtol=0)


def test_the_description_and_the_signature_tell_the_preference(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    like = conditioned(PREPARED, {}, uneven(PREPARED))
    model = open_model(log(client, save(tmp_path, like)))
    shares = pytest.approx([(place + 1) / 15 for place in range(5)])
    assert described(model)["preference"] == {"tasks": list(PREPARED.tasks), "shares": shares}
    (asked_for,) = model.metadata.signature.params.params
    assert (asked_for.name, asked_for.default) == ("preference", shares)
    plain = open_model(log(client, save(tmp_path, experiment())))
    assert "preference" not in described(plain)
    assert plain.metadata.signature.params is None


@pytest.mark.parametrize(
    "preference", [[1.0], [1.0] * 6, [1.0, 1.0, 1.0, 1.0, -1.0], [0.0] * 5, [float("nan"), 1.0, 1.0, 1.0, 1.0], 1.0]
)
def test_what_is_no_preference_is_refused(
    preference: Any, client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("refused")
    model = open_model(log(client, save(folder, conditioned(PREPARED, {}, [1.0] * 5)))).unwrap_python_model()
    with pytest.raises(ValueError, match="preference: a share of each of colour, parity, kind, marks, price, none"):
        model.predict(None, frame(rows(2)), {"preference": preference})
    assert model.predict(None, frame(rows(2)), {}).equals(model.predict(None, frame(rows(2))))


def test_callers_that_ask_at_the_same_time_do_not_feel_one_another(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    model = open_model(log(client, save(tmp_path, conditioned(PREPARED, {}, [1.0] * 5)))).unwrap_python_model()
    x = frame(rows(3000))
    wishes = [{"preference": np.eye(5)[place % 5].tolist()} if place % 6 else {} for place in range(12)]
    wanted = [model.predict(None, x, wish) for wish in wishes]
    assert not wanted[0].equals(wanted[1])
    with ThreadPoolExecutor(4) as pool:
        for found, alone in zip(pool.map(lambda wish: model.predict(None, x, wish), wishes), wanted, strict=True):
            pd.testing.assert_frame_equal(found, alone)


@pytest.mark.parametrize("case", CASES)
def test_rebuilt_modules_answer_by_the_preference_that_is_set(case: str, tmp_path: Path) -> None:
    prepared, model = CASES[case]
    like = conditioned(prepared, model, uneven(prepared))
    path = save(tmp_path, like, prepared, spread=0.3)
    network, slots = load_network(path, prepared, like)
    assert [layer for _, layer in network.layers() if isinstance(layer, Preference)]
    x = torch.from_numpy(rows(5, SIDE * SIDE if prepared is IMAGES else 6)).float()
    logits = network.forward(dict.fromkeys(prepared.sources, x.unsqueeze(0)))
    for task, it in rebuilt(path, SLOTS[1]).items():
        torch.testing.assert_close(it.network(x), logits[task][slots.index(SLOTS[1])], rtol=1e-4, atol=1e-5)
        assert it.embedded is it.network[0]
