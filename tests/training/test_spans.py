"""Entities are counted as conlleval counts them."""

import pytest
import torch

from pipeline.data.encodings.words import entities
from pipeline.training.spans import Spans, f1

CLASSES = ("O", "B-a", "I-a", "B-b", "I-b")
PAD = -1


def tags(text: str, length: int = 6) -> torch.Tensor:
    codes = [CLASSES.index(word) if word != "_" else PAD for word in text.split()]
    return torch.tensor(codes + [PAD] * (length - len(codes)))


@pytest.mark.parametrize(
    ("true", "said", "counts"),
    [
        ("B-a I-a O", "B-a I-a O", (1, 1, 1)),
        ("B-a I-a O", "B-a O O", (0, 1, 1)),  # too short
        ("B-a O O", "B-a I-a O", (0, 1, 1)),  # too long
        ("B-a I-a O", "B-b I-b O", (0, 1, 1)),  # another type
        ("B-a B-a", "B-a I-a", (0, 1, 2)),
        ("B-a I-a", "B-a B-a", (0, 2, 1)),
        ("O B-a I-a", "O I-a I-a", (1, 1, 1)),  # an I- that continues nothing begins an entity
        ("B-a I-a", "B-a I-b", (0, 2, 1)),
        ("O O", "O O", (0, 0, 0)),
        ("B-a O B-b I-b I-b", "B-a O B-b I-b I-b", (2, 2, 2)),
        ("B-a I-a I-a I-a I-a I-a", "B-a I-a I-a I-a I-a I-a", (1, 1, 1)),  # up to the last token
        ("B-a _ I-a", "B-a I-a I-a", (2, 2, 2)),  # a token whose tag is not known parts what is around it
    ],
)
def test_an_entity_is_right_where_beginning_end_and_type_are(
    true: str, said: str, counts: tuple[int, int, int]
) -> None:
    gold = tags(true)
    answered = torch.where(gold == PAD, torch.tensor(1), tags(said))  # what is said beyond the end does not count
    found = Spans(CLASSES).counts(answered, gold.clamp_min(0), gold != PAD).sum(-1)
    assert tuple(found.tolist()) == counts


def test_counts_agree_with_reading_one_tag_after_the_other() -> None:
    draws = torch.Generator().manual_seed(0)
    true = torch.randint(len(CLASSES), (1, 200, 9), generator=draws)
    said = torch.randint(len(CLASSES), (3, 200, 9), generator=draws)
    said[1] = true
    found = Spans(CLASSES).counts(said, true, torch.ones(1, 200, 9, dtype=torch.bool))
    assert found.shape == (3, 200, 3, 2)
    for slot, row in ((0, 0), (1, 5), (2, 199), (0, 77)):
        mine, theirs = (
            {(it["type"], it["start"], it["end"]) for it in entities(["w"] * 9, [CLASSES[tag] for tag in own])}
            for own in (said[slot, row], true[0, row])
        )
        for place, kind in enumerate("ab"):
            own = [{it for it in spans if it[0] == kind} for spans in (mine & theirs, mine, theirs)]
            assert found[slot, row, :, place].tolist() == [len(it) for it in own]
    assert f1(found[1].sum((0, 2))) == 1.0


def test_f1_is_zero_where_there_is_nothing() -> None:
    assert f1(torch.tensor([[0, 0, 0], [2, 4, 2]])).tolist() == [0.0, pytest.approx(2 / 3)]
