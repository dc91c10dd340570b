"""Labels of test rows are renamed: nothing before the evaluation changes, and the evaluation counts them as wrong."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Headway

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(300, 2))
FRAME = pd.DataFrame(X, columns=["a", "b"]).assign(
    level=np.array(["low", "mid", "top"])[np.digitize(X[:, 0], [-0.5, 0.5])],
    sold=np.where(X[:, 1] > 0, "yes", "no"),
    part=["train"] * 200 + ["test"] * 100,
)


def job(project: Path, headway: Headway, name: str, frame: pd.DataFrame) -> dict[str, Any]:
    frame.to_csv(project / f"{name}.csv", index=False)
    tasks = {"level": {"kind": "multiclass", "source": "s"}, "sold": {"kind": "binary", "source": "s"}}
    table = {"kind": "table", "path": f"{name}.csv", "inputs": {"a": "numeric", "b": "numeric"}, "split": "part"}
    said = {"name": name, "sources": {"s": table}, "tasks": tasks, "model": {"trunk": {"widths": [8]}}}
    said |= {"training": {"epochs": 2, "seeds": 2}, "tuning": {"trials": 3, "replicates": 1}}
    (project / f"{name}.yaml").write_text(json.dumps(said | {"baselines": {"single": False, "reference": False}}))
    before = set((project / ".headway").rglob("*"))
    done = headway("run", f"{name}.yaml", "--json")
    assert done.code == 0, done.err
    new = [path for path in sorted((project / ".headway").rglob("*")) if path not in before]
    winners = [json.loads(path.read_text())["winners"] for path in new if path.name == "winners.json"]
    weights = [hashlib.sha256(path.read_bytes()).hexdigest() for path in new if path.suffix == ".safetensors"]
    (scores,) = (pd.read_csv(path) for path in new if path.name == "scores.csv")
    primary = scores[(scores["metric"] == "accuracy") & (scores["candidate"] == "default")].set_index("task")["mean"]
    (report,) = (path.read_text() for path in new if path.name == "report.html")
    return {"winners": winners, "weights": sorted(weights), "scores": primary, "report": report}


@pytest.mark.slow
def test_labels_of_test_rows_choose_nothing(project: Path, headway: Headway) -> None:
    renamed = FRAME.copy()
    renamed.loc[250:259, "level"], renamed.loc[250:254, "sold"] = "aaa", "maybe"
    one, other = job(project, headway, "one", FRAME), job(project, headway, "other", renamed)
    assert one["winners"] == other["winners"] != []
    assert one["weights"] == other["weights"] != []
    assert other["scores"]["level"] <= one["scores"]["level"]
    assert "test alone has" not in one["report"]
    assert "(10): no network answers these, and they count as wrong" in other["report"]
