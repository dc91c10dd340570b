"""Networks that read text train in stacks as they do alone, whatever the kinds of their tasks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import with_values
from pipeline.data.prepared import Prepared
from pipeline.model.losses import CrossEntropy
from pipeline.stacked import MISSING, Targets
from pipeline.training.loop import advance
from pipeline.training.stack.stack import Stack
from tests.data import texts
from tests.training.made import assert_same, by_name, experiment_on, seeds, trained, trials
from tests.training.made_text import TASKS, TRUNKS, text_data


def on(prepared: Prepared, trunk: str = "lstm", **values: Any) -> Any:
    like = experiment_on(prepared, {"training.epochs": 2, "training.batch_size": 8})
    tree = like.model_dump(mode="json")
    tree["model"]["trunk"] = TRUNKS[trunk]
    return with_values(type(like).model_validate(tree), values)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("sharing", ["alone", "shared", "separate"])
def test_tagging_is_the_same_in_any_stack_alone_and_beside_all_kinds(
    sharing: str, missing: float, tmp_path: Path
) -> None:
    prepared = text_data(tmp_path, {"who": TASKS["who"]} if sharing == "alone" else TASKS, missing, rows=20)
    experiment = on(prepared, **{"model.sharing": sharing.replace("alone", "shared")})
    alone = trained(prepared, seeds(experiment, 1))["seed/0"]
    assert alone.status == "finished"
    for count in (2, 5):
        assert_same(trained(prepared, seeds(experiment, count))["seed/0"], alone)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_of_text_is_the_same_for_any_number_of_seeds_and_of_trials(trunk: str, tmp_path: Path) -> None:
    prepared = text_data(tmp_path, {name: TASKS[name] for name in ("who", "odd")}, missing=0.2, rows=20)
    experiment = on(prepared, trunk)
    for make in (lambda count: seeds(experiment, count), lambda count: trials([experiment] * count)):
        alone = trained(prepared, make(1))
        (name,) = alone
        for count in (2, 5):
            assert_same(trained(prepared, make(count))[name], alone[name])


def test_slots_with_rates_of_dropout_of_their_own_are_the_same_alone_and_after_a_neighbour_left(
    tmp_path: Path,
) -> None:
    prepared = text_data(tmp_path, {name: TASKS[name] for name in ("who", "odd")}, rows=20)
    slots = trials([on(prepared, **{"model.trunk.dropout": rate, "training.epochs": 3}) for rate in (0.0, 0.5, 0.2)])
    stack = Stack(prepared, slots)
    advance(stack)
    stack.leave([slots[0].name])
    while stack.running:
        advance(stack)
    for slot in slots[1:]:
        assert_same(by_name(stack)[slot.name], trained(prepared, [slot])[slot.name])


@pytest.mark.parametrize("trunk", [pytest.param(it, marks=[pytest.mark.slow] if it == "gru" else []) for it in TRUNKS])
def test_tags_are_learnt(trunk: str, tmp_path: Path) -> None:
    prepared = text_data(tmp_path, {"who": TASKS["who"]}, rows=150)
    values = {"training.epochs": 12, "training.learning_rate": 0.03, "model.trunk.dropout": 0.0}
    (state,) = trained(prepared, seeds(on(prepared, trunk, **values), 1)).values()
    first, *_, last = (it["validation/who/entity_f1"] for it in state.history)
    assert last > max(first, 0.8)
    assert state.history[-1]["validation/all/objective"] == state.history[-1]["validation/who/entity_f1"]


def test_balanced_tags_and_focal_losses_train(tmp_path: Path) -> None:
    prepared = text_data(tmp_path, {"who": TASKS["who"]}, missing=0.2, rows=20)
    plain = trained(prepared, seeds(on(prepared), 1))["seed/0"]
    for values in ({"tasks.who.class_weights": "balanced"}, {"tasks.who.focal": 2.0}):
        own = trained(prepared, seeds(on(prepared, **values), 1))["seed/0"]
        assert own.status == "finished"
        assert not np.array_equal(own.arrays["best.values"], plain.arrays["best.values"])


def test_tokens_without_a_known_tag_pull_at_nothing() -> None:
    tags = torch.tensor([[[1, 2, MISSING], [0, MISSING, MISSING], [MISSING, MISSING, MISSING]]])
    targets = Targets.of(tags)
    assert targets.values.shape == (1, 9)
    logits = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    logits[:, tags.flatten() == MISSING] = 1e30
    slopes = CrossEntropy().slopes(logits, targets, torch.ones(2)).tensor
    known = (tags.flatten() != MISSING).nonzero().flatten()
    wanted = torch.autograd.functional.jacobian(
        lambda it: torch.nn.functional.cross_entropy(it, tags.flatten()[known]), logits[0, known]
    )
    torch.testing.assert_close(slopes[0, known], wanted)
    assert not slopes[:, tags.flatten() == MISSING].any()


def test_tagged_sentences_are_cut_into_folds(tmp_path: Path) -> None:
    like = with_values(texts.experiment(), {"training.folds": 3, "training.early_stopping": None, "training.epochs": 1})
    like = with_values(like, {"training.seeds": 3})
    data = texts.prepared(texts.small(tmp_path / "raw"), like, tmp_path / "made")
    task = data.tasks["who"]
    assert [fold["labelled"]["validation"] for fold in task.folds] == [[16]] * 3
    for slot in seeds(like, 3):
        (state,) = trained(data, [slot]).values()
        assert 0.0 <= state.history[0]["validation/who/entity_f1"] <= 1.0
