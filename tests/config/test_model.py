"""What an experiment may say about its trunk: every kind has settings and defaults of its own."""

from typing import Any

import pytest

from pipeline.config import Experiment, flatten, with_values

from .files import TASKS, read, settings


def experiment(**model: Any) -> Experiment:
    return Experiment.model_validate(
        {"name": "it", "tasks": {"a": {"kind": "multiclass", "source": "mnist"}}, "model": model}
    )


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("mlp", {"widths": (128,), "norm": "none"}),
        ("residual", {"widths": (128, 256, 256), "norm": "batch"}),
        ("lenet", {"widths": (120, 84), "channels": (6, 16)}),
        ("resnet", {"channels": (16, 32, 64), "blocks": 1, "norm": "batch"}),
        ("my_parts.net:Net", {"arguments": {}}),
    ],
)
def test_a_kind_given_in_short_has_its_own_defaults(kind: str, own: dict[str, Any]) -> None:
    short, whole = experiment(trunk=kind), experiment(trunk={"kind": kind})
    assert short == whole
    assert {name: getattr(short.model.trunk, name) for name in own} == own


def test_an_experiment_that_says_nothing_of_its_trunk_depends_on_nothing_new() -> None:
    assert list(read(experiment(), "train")) == ["tasks.a.kind", "tasks.a.source"]
    assert read(experiment(trunk="lenet"), "train", "model") == {"model.trunk.kind": "lenet"}


@pytest.mark.parametrize("kind", ["mlp", "residual", "lenet", "resnet", "my_parts.net:Net"])
@pytest.mark.parametrize("before", ["mlp", "residual", "lenet", "resnet", "my_parts.net:Net"])
def test_any_kind_replaces_any_other_with_its_own_defaults(before: str, kind: str) -> None:
    found = with_values(experiment(trunk={"kind": before, "dropout": 0.1}), {"model.trunk.kind": kind})
    assert found == experiment(trunk={"kind": kind, "dropout": 0.1})
    assert with_values(found, flatten({"training": {"batch_size": 64}})) == found


def test_what_a_kind_was_given_stays_with_it() -> None:
    given = experiment(trunk={"kind": "torchvision", "network": "resnet18", "arguments": {"zero_init_residual": True}})
    assert with_values(given, {"model.trunk.dropout": 0.3}).model.trunk.arguments == {"zero_init_residual": True}
    assert read(given, "train", "model") == {
        "model.trunk.arguments.zero_init_residual": True,
        "model.trunk.kind": "torchvision",
        "model.trunk.network": "resnet18",
    }


@pytest.mark.parametrize(
    ("trunk", "line"),
    [
        ("lenett", "model.trunk.kind: there is no trunk 'lenett' (did you mean 'lenet'?)"),
        (
            "zebra",
            "model.trunk.kind: there is no trunk 'zebra' "
            "(mlp, tabular, residual, lenet, resnet, torchvision, lstm, gru, transformer, huggingface, dcn_v2 "
            "or package.module:Class)",
        ),
        ("{kind: lenet, norm: batch}", "model.trunk: trunk 'lenet' does not use norm='batch': leave it out"),
        ("{channels: [3]}", "model.trunk: trunk 'mlp' does not use channels=[3]: leave it out"),
        ("{kind: 'a.b:C', widths: [3]}", "model.trunk: trunk 'a.b:C' does not use widths=[3]: leave it out"),
        ("{kind: lenet, channels: [3]}", "model.trunk: trunk 'lenet' has two convolutions: give two channels, not 1"),
        (
            "{kind: resnet, norm: layer}",
            "model.trunk: trunk 'resnet' is built with batch norm: norm is batch or batch_per_source",
        ),
        (
            "torchvision",
            "model.trunk: trunk 'torchvision' needs network: the name of a classification network, such as resnet18",
        ),
    ],
)
def test_what_a_trunk_does_not_take_is_said_in_one_line(problem: Any, trunk: str, line: str) -> None:
    assert problem(settings(f"model: {{trunk: {trunk}}}")) == line


def test_a_setting_on_the_command_line_belongs_to_the_kind_that_the_file_gives_in_short(written: Any) -> None:
    found = written(TASKS + "model: {trunk: lenet}\n", model__trunk__dropout=0.1).model.trunk
    assert (found.kind, found.dropout, found.channels) == ("lenet", 0.1, (6, 16))


@pytest.mark.parametrize(
    ("augment", "found"),
    [
        ("[{A: {}, B: {}}]", "{'A': {}, 'B': {}}"),
        ("[3]", "3"),
    ],
)
def test_a_transform_is_a_name_with_its_arguments(problem: Any, augment: str, found: str) -> None:
    example = "{RandomCrop: {size: 28, padding: 2}}"
    line = f"training.augment: each is one transform, for example {example}; found {found}"
    assert problem(settings(f"training: {{augment: {augment}}}")) == line


def test_transforms_are_for_all_sources_or_for_each_its_own(written: Any, problem: Any) -> None:
    flip = {"RandomHorizontalFlip": {}}
    assert written(settings("training: {augment: [RandomHorizontalFlip]}")).training.transforms_of("mnist") == (flip,)
    own = written(settings("training: {augment: {mnist: [RandomHorizontalFlip]}}")).training
    assert (own.transforms_of("mnist"), own.transforms_of("fashion_mnist")) == ((flip,), ())
    assert (
        problem(settings("training: {augment: {mnits: [RandomHorizontalFlip]}}"))
        == "training.augment: there is no source 'mnits' (did you mean 'mnist'?)"
    )
    assert (
        problem(settings("training: {augment: {RandomHorizontalFlip: {p: 0.5}}}"))
        == "training.augment: a list of transforms, for example [RandomHorizontalFlip], or such a list for each "
        "source; found {'p': 0.5}"
    )
