"""Attributions of the tokens of texts, by networks of which it is known what they read."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.data.encodings.words import COLUMNS, Words
from pipeline.model.modules.text import Embedded, Recurrent, Transformer
from pipeline.studies.explain.attributions import METHODS, Explained, attributions, randomised, targets
from pipeline.studies.explain.inputs import OFTEN, Tokens, inputs_of

WORDS = ["the", "film", "love", "hate", "it"]
LENGTH, BUCKETS, WIDTH = 12, 40, 6
ABOUT = {"kind": "text", "by": "words", "length": LENGTH, "columns": COLUMNS, "words": WORDS, "buckets": BUCKETS}
IDS = 2 + len(WORDS) + BUCKETS
TEXTS = ["the film love", "it hate the film it the love", "love", "Zelda love love it"]
EVERY = pytest.mark.parametrize("method", METHODS)
KINDS = pytest.mark.parametrize("kind", ["gru", "transformer"])
LOVE = 2 + WORDS.index("love")


def rows(*texts: str) -> Tensor:
    encoded = Words(ABOUT).encode([text.split() for text in texts])
    return torch.from_numpy(encoded).flatten(1).float()


def inputs() -> Tokens:
    found = inputs_of((LENGTH, COLUMNS), ABOUT)
    assert isinstance(found, Tokens)
    return found


class Shaped(nn.Module):
    """A trunk of text on flat rows."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.trunk(x.unflatten(1, (LENGTH, COLUMNS)))
        return answer


class Knows(nn.Module):
    """The square of how often a row has one word."""

    def __init__(self, word: int) -> None:
        super().__init__()
        self.embedded = Embedded(IDS, 1)
        with torch.no_grad():
            self.embedded.bag.weight.zero_()[word] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.embedded(x.long()).sum(1).square()


def explained(trunk: nn.Module, *after: nn.Module, kind: str = "regression", width: int = WIDTH) -> Explained:
    network = nn.Sequential(Shaped(trunk), *after).eval().requires_grad_(False)
    entities = (False, True, True) if kind == "tagging" else ()
    widths = (width, *[0] * (COLUMNS - 1)) * LENGTH
    return Explained(kind, inputs(), network, trunk.get_submodule("embedded"), widths, entities)


def made(kind: str) -> tuple[nn.Module, int]:
    """A trunk, and how many values it answers for a row."""
    torch.manual_seed(0)
    trunk = Transformer(IDS, WIDTH, 1, [8]) if kind == "transformer" else Recurrent(kind, IDS, WIDTH, [3])
    nn.init.normal_(trunk.embedded.bag.weight)  # far from nothing, so that the way there is long
    return trunk, (LENGTH + 1) * WIDTH


def tagger(kind: str = "gru") -> Explained:
    trunk, _ = made(kind)
    each = nn.Sequential(nn.Unflatten(1, (LENGTH + 1, WIDTH)), Ahead(), nn.Linear(WIDTH, 3), nn.Flatten())
    return explained(trunk, each, kind="tagging")


class Ahead(nn.Module):
    """The vectors of the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :LENGTH]


@EVERY
def test_the_word_that_a_network_reads_gets_everything(method: str) -> None:
    it, x = explained(Knows(LOVE), width=1), rows(*TEXTS)
    told = attributions(it, x, targets(it, x), method)
    assert told.shape == (4, 1, LENGTH)
    wanted = np.full((4, LENGTH), np.nan)
    wanted[0, :3], wanted[1, :7], wanted[2, :1], wanted[3, :4] = [0, 0, 1], [0, 0, 0, 0, 0, 0, 1], [1], [0, 2, 2, 0]
    if method == "occlusion":
        wanted[wanted == 2] = 3  # without one of two, one is left: 4 - 1
    np.testing.assert_allclose(told[:, 0], wanted, atol=1e-5)


@KINDS
def test_gradients_add_up_to_what_the_tokens_add(kind: str) -> None:
    trunk, outputs = made(kind)
    it, x = explained(trunk, nn.Linear(outputs, 3), kind="multiclass"), rows(*TEXTS)
    wanted = targets(it, x)
    # As many tokens of which nothing is known.
    empty = it.inputs.empty(x).unflatten(1, (LENGTH, COLUMNS))
    assert (empty[:, :, 0].sum(1) == torch.tensor([3, 7, 1, 4])).all()
    assert not empty[:, :, 1:].any()
    gained = (it.network(x) - it.network(empty.flatten(1))).gather(1, wanted[:, 0])
    told = attributions(it, x, wanted, "gradients")
    assert gained.abs().min() > 1e-3
    np.testing.assert_allclose(np.nansum(told, 2), gained, rtol=0.02)  # the largest over tokens makes kinks


@EVERY
@KINDS
def test_a_text_is_explained_the_same_whatever_is_beside_it(kind: str, method: str) -> None:
    trunk, outputs = made(kind)
    it, x = explained(trunk, nn.Linear(outputs, 2), kind="multilabel"), rows(*TEXTS)
    together = attributions(it, x, targets(it, x), method)
    assert together.shape == (4, 2, LENGTH)
    assert (~np.isnan(together[:, 0])).sum(1).tolist() == [3, 7, 1, 4]
    for place in range(4):
        own = x[place : place + 1]
        np.testing.assert_allclose(attributions(it, own, targets(it, own), method)[0], together[place], atol=1e-4)


def test_the_tags_of_entities_are_explained_and_no_others() -> None:
    it, x = tagger(), rows(*TEXTS, "")
    tags = it.network(x).view(5, LENGTH, 3).argmax(2)
    wanted = targets(it, x)
    assert wanted.shape == (5, 1, LENGTH)
    there = torch.arange(LENGTH) < torch.tensor([3, 7, 1, 4, 0])[:, None]
    assert ((wanted[:, 0] >= 0) == (there & (tags > 0))).all()
    assert 0 < (there & (tags > 0)).sum() < there.sum()
    chosen = wanted[:, 0][wanted[:, 0] >= 0]
    assert (chosen % 3 == tags[there & (tags > 0)]).all()
    assert (wanted[4] == -1).all()


@EVERY
def test_an_answer_of_several_tags_is_their_sum(method: str) -> None:
    it, x = tagger(), rows(TEXTS[1])
    both = attributions(it, x, torch.tensor([[[1, 5, -1]]]), method)
    each = attributions(it, x, torch.tensor([[[1], [5]]]), method)
    np.testing.assert_allclose(both[:, 0], each.sum(1), atol=1e-5)


def test_shuffled_networks_are_shuffled_in_their_embedding_too() -> None:
    it, x = tagger(), rows(*TEXTS)
    other = randomised(it, 0)
    assert other.embedded is other.network[0].trunk.embedded
    assert not torch.equal(other.embedded.bag.weight, it.embedded.bag.weight)
    wanted = targets(it, x)
    told = [attributions(each, x, wanted, "gradients") for each in (it, other)]
    assert not np.allclose(*told, atol=1e-3, equal_nan=True)


def test_words_are_averaged_over_their_occurrences() -> None:
    x = rows(*["the love", "the unheard"] * 3)
    values = np.full((6, LENGTH), np.nan)
    values[:, :2] = [[1.0, 4.0], [2.0, 7.0]] * 3
    values[0, 0] = np.nan  # not explained
    means, times = inputs().means(values, x), inputs().times(values, x)
    assert (times[2], times[LOVE]) == (5, 3)
    assert OFTEN == 5
    assert means[2] == pytest.approx(8 / 5)
    assert np.isnan(np.delete(means, 2)).all()  # rare words, and what is unknown


def test_other_words_are_other_inputs() -> None:
    other = inputs_of((LENGTH, COLUMNS), ABOUT | {"words": [*WORDS, "more"]})
    assert inputs().like(inputs())
    assert not inputs().like(other)
    assert not inputs().like(inputs_of((LENGTH,), None))


def test_a_row_is_read_in_words() -> None:
    assert inputs().read(rows(TEXTS[0])[0]) == ["the", "film", "love"]
