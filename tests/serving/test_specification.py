"""A specification reads what it writes, and what earlier versions wrote."""

import json
from pathlib import Path

import pytest

from pipeline.data.prepared import PreparedTask
from pipeline.serving.slots import one_slot
from pipeline.serving.specification import SourceSpec, Specification, TaskSpec
from tests.serving.packages import SLOTS, experiment, save

EARLIER = Path(__file__).with_name("earlier") / "artifacts" / "spec.json"


@pytest.mark.parametrize("sharing", ["shared", "separate", "mmoe", "mtan"])
def test_what_is_written_is_read(sharing: str, tmp_path: Path) -> None:
    spec, _ = one_slot(save(tmp_path, experiment(sharing=sharing)), SLOTS[1])
    written = json.loads(json.dumps(spec.json()))
    assert Specification.of(written) == spec
    assert Specification.of(written).json() == written


def test_what_an_earlier_version_wrote_is_read() -> None:
    written = json.loads(EARLIER.read_text())
    spec = Specification.of(written)
    assert (spec.slot, spec.slots, spec.code) == (SLOTS[1], {}, "")
    del written["network"]["branches"][0]["code"]  # where its code was, which it alone uses
    assert spec.json() == {name: it for name, it in written.items() if name != "code"}
    assert {"preference", "mixtures", "softmax", "linear"} <= {layer["kind"] for layer in spec.layers}


def test_only_what_is_not_as_usual_is_written() -> None:
    assert SourceSpec([2, 3], 255.0).json() == {"shape": [2, 3], "scale": 255.0}
    task = PreparedTask("regression", "plain", (), mean=250.0, std=20.0, low=0.0)
    wanted = {"kind": "regression", "source": "plain", "classes": (), "mean": 250.0, "std": 20.0, "low": 0.0}
    assert TaskSpec.of(vars(task)).json() == wanted
    assert TaskSpec.of(wanted | {"of_a_later_version": 1}) == TaskSpec.of(wanted)


def test_each_slot_has_its_own_thresholds() -> None:
    stack = {
        "network": {"branches": [], "source_of": {}},
        "slots": SLOTS,
        "sources": {},
        "tasks": {"marks": {"kind": "multilabel", "source": "other", "classes": ["a", "b"]}},
        "thresholds": {"marks": [[0.1, 0.2], [0.3, 0.4]]},
    }
    found = [Specification.of_slot(stack, slot).tasks["marks"].thresholds for slot in SLOTS]
    assert found == [[0.1, 0.2], [0.3, 0.4]]


def test_arguments_of_a_module_are_no_layers() -> None:
    layers = [{"kind": "residual", "inner": [{"kind": "module", "arguments": {"kind": "lstm"}}], "shortcut": []}]
    branches = [{"name": "trunk", "sources": ["plain"], "trunk": layers, "heads": {"kind": [{"kind": "linear"}]}}]
    spec = Specification.of({"network": {"branches": branches}, "sources": {}, "tasks": {}})
    assert [layer["kind"] for layer in spec.layers] == ["residual", "module", "linear"]
