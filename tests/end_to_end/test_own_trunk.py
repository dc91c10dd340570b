"""A module in the project's folder is a trunk: trained in worker processes, and told from another by its code."""

from pathlib import Path

from tests.conftest import Headway

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU())

    def forward(self, x):
        return self.body(x)
"""
EXPERIMENT = """
tasks:
  digit: {kind: multiclass, source: digits}
model: {trunk: {kind: "own_end_to_end:Net", arguments: {width: 6}}}
training: {epochs: 1, seeds: 2, augment: [{RandomCrop: {size: 8, padding: 1}}]}
data: {test: 0.2}
tuning: null
baselines: {single: false}
processes: 2
"""


def test_a_module_in_the_projects_folder_is_trained_and_counts_in_the_key(project: Path, headway: Headway) -> None:
    (project / "own_end_to_end.py").write_text(NET)
    (project / "experiments" / "own.yaml").write_text(EXPERIMENT)
    first = headway("train", "own", "--json")
    assert first.code == 0, first.err
    assert [step["cached"] for step in headway("train", "own", "--json").json["steps"]] == [True, True]
    (project / "own_end_to_end.py").write_text(NET + "\n# changed\n")
    assert [step["cached"] for step in headway("train", "own", "--json").json["steps"]] == [True, False]


def test_what_is_wrong_with_it_is_one_line_before_anything_is_done(project: Path, headway: Headway) -> None:
    (project / "experiments" / "own.yaml").write_text(EXPERIMENT.replace("own_end_to_end", "no_such_thing"))
    missing = headway("train", "own")
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert "there is no module 'no_such_thing' for 'no_such_thing:Net'" in missing.err
    unknown = headway("train", "mnist_fashion", "--set", "training.augment=[RandomFlipp]")
    assert unknown.code == 2
    assert "torchvision.transforms.v2 has no transform 'RandomFlipp'" in unknown.err
    assert not (project / ".headway").exists()
