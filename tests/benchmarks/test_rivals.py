import json

import pytest
import torch
from click.testing import CliRunner
from torch.nn.functional import cross_entropy

from benchmarks.networks import Case
from benchmarks.rivals import deep, in_memory, usual
from benchmarks.rivals.hand_written import HandWritten
from benchmarks.rivals.optuna_study import command
from pipeline.data.prepared import Prepared


def by_hand(case: Case, dropout: float) -> HandWritten:
    split = case.prepared.split("train")
    inputs = [torch.from_numpy(split.inputs[task.source]) for task in case.prepared.tasks.values()]
    return HandWritten(inputs, [torch.from_numpy(labels) for labels in split.labels.values()], dropout=dropout)


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_the_hand_written_step_has_autograds_gradients(case: Case, dropout: float) -> None:
    torch.manual_seed(0)
    step = by_hand(case, dropout)
    (x, u), (y, v) = in_memory.tensors(case.prepared, "train")
    network = usual.SharedNetwork(0.0)
    parts = [network.trunk[1].weight, network.trunk[1].bias]
    heads = [torch.stack([getattr(head, name) for head in network.heads]) for name in ("weight", "bias")]
    step.values.copy_(torch.cat([part.detach().flatten() for part in (*parts, *heads)]))

    rows = torch.arange(64)
    one_hot = torch.stack([torch.eye(10)[labels[rows]].t() for labels in (y, v)])
    step.gradients(torch.cat((rows, rows + len(x))), one_hot)

    kept = step._mask.split(64) if dropout else [torch.ones(()), torch.ones(())]
    hidden = [network.trunk(it[rows]) * mask / (1.0 - dropout) for it, mask in zip((x, u), kept, strict=True)]
    logits = [head(h) for head, h in zip(network.heads, hidden, strict=True)]
    (cross_entropy(logits[0], y[rows]) + cross_entropy(logits[1], v[rows])).backward()
    wanted = [part.grad.flatten() for part in parts]
    wanted += [torch.cat([getattr(head, name).grad.flatten() for head in network.heads]) for name in ("weight", "bias")]
    torch.testing.assert_close(step.grads, torch.cat(wanted), rtol=1e-4, atol=1e-6)


def test_the_hand_written_step_learns(case: Case) -> None:
    torch.manual_seed(0)
    step = by_hand(case, dropout=0.5)
    before = step.values.clone()
    assert step.epoch() == case.steps
    assert step.values.isfinite().all()
    assert not torch.equal(step.values, before)


def test_the_deep_network_learns_from_loaders_and_from_memory(case: Case) -> None:
    training = deep.DeepTraining(total_steps=100)
    sets = usual.torchvision_sets(case.prepared, "train")
    digits, garments = (torch.utils.data.DataLoader(it, 64, shuffle=True) for it in sets)
    training.epoch(deep.from_loaders((digits, garments), steps=2))
    training.epoch(deep.from_memory(in_memory.tensors(case.prepared, "train")))
    assert all(value.isfinite().all() for value in training.network.parameters())


@pytest.mark.parametrize("rival", [usual, in_memory], ids=["usual", "in_memory"])
def test_a_scripts_study_tells_its_times(rival: object, validated: Prepared) -> None:
    words = [str(validated.folder), "--trials", "2", "--epochs", "2", "--log", str(validated.folder / "log.jsonl")]
    told = json.loads(CliRunner().invoke(command(rival.train), words, catch_exceptions=False).output)  # type: ignore[attr-defined]
    assert told.keys() == {"best", "seconds", "cpu_seconds", "epoch_seconds"}
    assert len((validated.folder / "log.jsonl").read_text().splitlines()) == 4
