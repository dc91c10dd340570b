"""Networks of torchvision as trunks: any by name, from random values or a file of weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from pipeline.errors import UserError
from pipeline.model import Network
from pipeline.model.layers import Repeat
from pipeline.model.network import Branch
from pipeline.model.trunks import Made
from pipeline.stacked import Stacked
from tests.model.bound import batch, streams, training
from tests.model.trunks.shapes import trunk

NAME = "shufflenet_v2_x0_5"


def of(shape: tuple[int, ...] = (3, 16, 16), **settings: Any) -> Made:
    return trunk(shape, kind="torchvision", **{"network": NAME, "widths": [5]} | settings)


def started(made: Made, slots: int = 1) -> Network:
    network = Network([Branch("trunk", (), made[0], {})], {})
    network.initialise(list(streams(slots)))
    return network


@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v3_small", "vgg11", "squeezenet1_1", "vit_b_16"])
def test_any_network_takes_its_place_with_the_width_that_is_asked_for(network: str) -> None:
    sides = {"vit_b_16": 32, "vgg11": 32, "squeezenet1_1": 32}
    arguments = {"vit_b_16": {"image_size": 32}}
    side = sides.get(network, 16)
    found = of((side, side), network=network, arguments=arguments.get(network, {}))
    assert found[1] == 5


def test_grey_images_are_shown_three_times() -> None:
    grey, colour = of((16, 16)), of()
    assert isinstance(grey[0][0], Repeat)
    networks = [started(it) for it in (grey, colour)]
    x = batch(1, 4, 256)
    named = networks[1].named(networks[1].values, networks[1].buffers)
    networks[0].load({f"trunk.{int(name.split('.')[1]) + 1}.{name.split('.', 2)[2]}": it for name, it in named.items()})
    answers = []
    for (layers, _), rows in ((grey, x.tensor), (colour, x.tensor.repeat(1, 1, 3))):
        y = Stacked(rows)
        for layer in layers[:-1]:
            y = layer.forward(y, training(1))
        answers.append(y.tensor.clone())
    assert torch.equal(*answers)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file_and_the_last_layer_is_drawn(suffix: str, tmp_path: Path) -> None:
    given = get_model(NAME, num_classes=9).state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(given, path) if suffix == ".safetensors" else torch.save(given, path)
    network = started(of(weights=str(path)), slots=2)
    named = network.named(network.values, network.buffers)
    for name, it in given.items():
        found = named[f"trunk.0.{name}"]
        if name.startswith("fc."):
            assert found.shape[1] == 5
            assert not torch.equal(found[0], found[1])
        else:
            assert torch.equal(found, it.float().expand_as(found))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"network": "resnet19"}, "torchvision has no 'resnet19'; it has alexnet, "),
        ({"arguments": {"zebra": 1}}, "cannot be made with .*'zebra'"),
        ({"weights": "/nowhere/it.pth"}, "there is no file /nowhere/it.pth"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        started(of(**settings))


def test_weights_of_another_network_and_what_is_no_state_dict_are_refused(tmp_path: Path) -> None:
    other, wrong = tmp_path / "other.pth", tmp_path / "wrong.pth"
    torch.save(get_model("squeezenet1_1").state_dict(), other)
    wrong.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"other.pth is not of shufflenet_v2_x0_5: 'conv1.0.weight' is not there"):
        started(of(weights=str(other)))
    with pytest.raises(UserError, match=r"wrong.pth is no state dict of tensors"):
        started(of(weights=str(wrong)))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(UserError, match="is no state dict of tensors"):
        started(of(weights=str(path)))
