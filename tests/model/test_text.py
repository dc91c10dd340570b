"""Trunks that read text: padding and neighbours in a batch change nothing, and heads read their part."""

import pytest
import torch
from torch import Tensor

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.draws import Stream
from pipeline.errors import UserError
from pipeline.model import Pass, TaskShape, build
from pipeline.model.layers import Pooled, Tokens
from pipeline.model.modules.text import Recurrent, Transformer
from pipeline.stacked import Stacked

IDS, COLUMNS, LENGTH = 50, 3, 20
KINDS = ("lstm", "gru", "transformer")


def rows(*lengths: int, seed: int = 0) -> Tensor:
    """Rows [B, T, C] of so many tokens."""
    found = torch.zeros(len(lengths), LENGTH, COLUMNS)
    draws = torch.Generator().manual_seed(seed)
    for row, length in enumerate(lengths):
        found[row, :length] = torch.randint(1, IDS, (length, COLUMNS), generator=draws).float()
    return found


def module(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    made = Transformer(IDS, 8, 2, [12, 12]) if kind == "transformer" else Recurrent(kind, IDS, 8, [5, 4])
    return made.eval()


def settings(kind: str, dropout: float = 0.0) -> Trunk:
    heads = {"heads": 2} if kind == "transformer" else {}
    return Trunk.of({"kind": kind, "embedding": 8, "widths": (4,), "dropout": dropout, **heads})


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_answered_the_same_whatever_is_beside_it(kind: str) -> None:
    network, batch = module(kind), rows(3, 20, 0, 9)
    together = network(batch)
    assert together.shape == (4, (LENGTH + 1) * 8)
    for row in range(4):
        torch.testing.assert_close(network(batch[row : row + 1])[0], together[row], rtol=1e-5, atol=1e-5)
    tokens, pooled = together[:, :-8].view(4, LENGTH, 8), together[:, -8:]
    for row, length in enumerate((3, 20, 0, 9)):
        assert not tokens[row, length:].any()
        if length:
            torch.testing.assert_close(tokens[row, :length].amax(0), pooled[row])
    assert not together[2].any()


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_sees_those_before_and_after_it(kind: str) -> None:
    network, batch = module(kind), rows(6)
    changed = batch.clone()
    changed[0, 2] = 7.0
    before, after = (network(it)[:, :-8].view(LENGTH, 8) for it in (batch, changed))
    assert ((before != after).any(1).nonzero().flatten() == torch.arange(6)).all()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_directions_are_those_of_torch_on_packed_rows(kind: str) -> None:
    network, batch, lengths = module(kind), rows(3, 11, 7), torch.tensor([3, 11, 7])
    cell = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(8, 5, bidirectional=True, batch_first=True)
    for name, it in network.ahead[0].state_dict().items():
        cell.state_dict()[name].copy_(it)
        cell.state_dict()[f"{name}_reverse"].copy_(network.back[0].state_dict()[name])
    x = network.embedded(batch[:, :11].long())
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(cell(packed)[0], batch_first=True)
    network.ahead, network.back = network.ahead[:1], network.back[:1]
    found = network(batch)[:, : LENGTH * 10].view(3, LENGTH, 10)[:, :11]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [Tokens, Pooled])
def test_a_head_reads_its_part_and_gives_its_gradient_back(layer: type) -> None:
    x = torch.randn(2, 3, (LENGTH + 1) * 4, requires_grad=True)
    reads = layer(LENGTH, 4)
    reads.bind({}, {}, {})
    y = x[:, :, : LENGTH * 4].reshape(2, -1, 4) if layer is Tokens else x[:, :, LENGTH * 4 :]
    found = reads.forward(Stacked(x.detach()), Pass({}))
    assert torch.equal(found.tensor, y)
    grad = torch.randn_like(y)
    y.backward(grad)
    assert torch.equal(reads.backward(Stacked(grad)).tensor, x.grad)
    into = Stacked(torch.full_like(x, 7.0).detach())
    assert torch.equal(reads.backward(Stacked(grad), into).tensor, x.grad)


def test_each_slot_drops_at_its_own_rate() -> None:
    shapes = {"mood": TaskShape("s", LENGTH * COLUMNS, 2, shape=(LENGTH, COLUMNS), ids=IDS)}
    rates = [settings("lstm", rate) for rate in (0.0, 0.6)]
    network = build(Sharing.of("shared"), rates, [Head.of("linear")] * 2, shapes)
    streams = [Stream(0, "one")] * 2
    network.initialise(streams)
    inputs = {"s": rows(5, 8).flatten(1).unsqueeze(0)}
    trained = network.forward(inputs, Pass({}, streams))["mood"].clone()
    still = network.forward(inputs)["mood"]
    assert torch.equal(trained[0], still[0])
    assert not torch.equal(trained[1], still[1])


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_and_rows_are_answered_by_one_trunk(kind: str) -> None:
    like = {"features": LENGTH * COLUMNS, "shape": (LENGTH, COLUMNS), "ids": IDS}
    shapes = {
        "who": TaskShape("s", outputs=5, per_token=True, **like),  # type: ignore[arg-type]
        "mood": TaskShape("t", outputs=3, **like),  # type: ignore[arg-type]
    }
    network = build(Sharing.of("shared"), [settings(kind)], [Head.of({"kind": "mlp", "widths": (6,)})], shapes)
    network.initialise([Stream(0, "one")])
    answers = network.forward({name: rows(5, 8, 2).flatten(1).unsqueeze(0) for name in "st"})
    assert answers["who"].shape == (1, 3 * LENGTH, 5)
    assert answers["mood"].shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("trunk", "shape", "line"),
    [
        (
            {"kind": "mlp"},
            {"ids": IDS},
            "trunk 'mlp' cannot read the text of s: use lstm or gru or transformer or huggingface",
        ),
        ({"kind": "lstm"}, {}, "trunk 'lstm' takes text; s holds none: use trunk mlp"),
        (
            {"kind": "torch.nn:Flatten"},
            {"ids": IDS, "per_token": True},
            "tagging s needs a trunk of text, or a module of",
        ),
    ],
)
def test_text_and_trunks_that_do_not_fit_are_one_line(trunk: dict, shape: dict, line: str) -> None:
    shapes = {"t": TaskShape("s", LENGTH * COLUMNS, 2, shape=(LENGTH, COLUMNS), **shape)}
    with pytest.raises(UserError, match=line):
        build(Sharing.of("shared"), [Trunk.of(trunk)], [Head.of("linear")], shapes)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"kind": "lstm", "widths": ()}, "needs an embedding and at least one width"),
        ({"kind": "transformer", "heads": 5}, "needs an embedding that 2 \\* heads divides; found 96 and 5"),
        ({"kind": "lstm", "heads": 2}, "does not use heads=2"),
    ],
)
def test_settings_of_trunks_of_text_are_checked(given: dict, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Trunk.of(given)
