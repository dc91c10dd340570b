"""A loss of one's own is one of a stack: as ours where it says the same, slot by slot, and one line where wrong."""

from pathlib import Path

import pytest
import torch

from pipeline.config.tasks import TaskSettings
from pipeline.errors import UserError
from pipeline.model import loss_of
from pipeline.model.own_loss import check_loss
from pipeline.stacked import Targets
from tests.model.test_losses import made, mean_of, slopes
from tests.training.made import MIXED, assert_same, experiment_on, random_data, seeds, trained
from tests.training.stack.test_batched_training import assert_agree, batched

PARTS = "tests.testing.parts"
SMOOTHED = {"loss": f"{PARTS}:Smoothed", "loss_arguments": {"smoothing": 0.0}}


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
@pytest.mark.parametrize("shared", [True, False])
def test_it_is_as_ours_where_it_says_the_same(kind: str, shared: bool) -> None:
    own = loss_of(TaskSettings.of({"kind": kind, "source": "a", **SMOOTHED}))
    ours = loss_of(TaskSettings.of({"kind": kind, "source": "a"}))
    logits, stored = made(kind, shared, missing=4)
    weights = torch.tensor([0.5, 1.0, 1.5])
    torch.testing.assert_close(slopes(own, logits, stored, weights), slopes(ours, logits, stored, weights))
    torch.testing.assert_close(mean_of(own, logits, stored), mean_of(ours, logits, stored))


def test_it_may_depend_on_all_logits_of_a_row() -> None:
    own = loss_of(TaskSettings.of({"kind": "multiclass", "source": "a", **SMOOTHED}))
    logits, stored = made("multiclass")
    asked = logits.clone().requires_grad_()
    torch.nn.functional.cross_entropy(asked[1], stored[0]).backward()
    assert asked.grad is not None
    found = own.slopes(logits, Targets.of(stored), torch.ones(3)).tensor[1]
    torch.testing.assert_close(found, asked.grad[1])


def test_a_stack_trains_with_it_and_no_slot_feels_another(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED, missing={"digit": 0.2, "marks": 0.3})
    own = {f"tasks.{task}.{key}": it for task in ("digit", "marks", "parity") for key, it in SMOOTHED.items()}
    own |= {"tasks.size.loss": f"{PARTS}:Squared", "training.epochs": 2}
    experiment = experiment_on(prepared, own)
    together = trained(prepared, seeds(experiment, 3))
    alone = trained(prepared, seeds(experiment, 3)[1:2])
    assert_same(alone["seed/1"], together["seed/1"])
    plain = trained(prepared, seeds(experiment_on(prepared, {"training.epochs": 2}), 3))
    for name, state in together.items():
        assert_agree(state, plain[name])
    for name, state in batched(prepared, seeds(experiment, 3)).items():
        assert state.status == together[name].status


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Missing", "no module at"),
        ("Rowless", "it should be a class with rows"),
        (
            "Broadcast",
            r"should answer torch.float32 \[2\], one for each target, for logits \[2, 1\]; found .* \[2, 2\]",
        ),
        ("Detached", "cannot be differentiated"),
        ("Infinite", "or its gradient is not finite"),
        ("Failing", "'zebra'"),
        ("Smoothed", "cannot be made with {}: .*smoothing"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(name: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as error:
        check_loss("regression", f"{PARTS}:{name}", {})
    assert "\n" not in str(error.value)
