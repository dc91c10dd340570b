"""A rebuilt network answers what the stack answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.serving.rebuilt import rebuilt
from pipeline.training.saved import load_network
from tests.data import texts
from tests.serving.packages import PREPARED, SLOTS, experiment, probabilities, rows, save

COLUMNS = {
    "kind": "table",
    "columns": [
        {"name": "age", "kind": "numeric", "mean": 40.0, "std": 10.0, "marked": True},
        {"name": "town", "kind": "categorical", "values": ["Bern", "Lima"]},
        {"name": "pay", "kind": "numeric", "mean": 0.0, "std": 1.0, "marked": False},
    ],
    "categories": [3],
}
TABLE = Prepared(
    Path(),
    {"people": PreparedSource((4,), 1.0, {}, COLUMNS)},
    {"price": PreparedTask("regression", "people", (), mean=250.0, std=20.0)},
)
CASES: dict[str, tuple[Prepared, dict[str, Any]]] = {
    "shared": (PREPARED, {}),
    "separate": (PREPARED, {"sharing": "separate"}),
    "mmoe": (PREPARED, {"sharing": "mmoe"}),
    "ple, norms a source": (PREPARED, {"sharing": "ple", "trunk": {"norm": "batch_per_source"}}),
    "cross_stitch of categories": (TABLE, {"sharing": "cross_stitch", "trunk": {"kind": "mlp", "embedding": 3}}),
    "mtan, norms a source": (PREPARED, {"sharing": "mtan", "trunk": {"widths": [5, 4], "norm": "batch_per_source"}}),
    "mtan of categories": (TABLE, {"sharing": "mtan", "trunk": {"kind": "mlp", "widths": [5, 4], "embedding": 3}}),
    "no trunk": (PREPARED, {"trunk": {"widths": []}}),
    "norms a source": (PREPARED, {"trunk": {"norm": "batch_per_source"}, "head": {"kind": "mlp", "widths": [3]}}),
    "categories": (TABLE, {"trunk": {"kind": "mlp", "widths": [5], "embedding": 3}}),
    "numbers too": (TABLE, {"trunk": {"kind": "tabular", "widths": [5], "embedding": 3, "number_embedding": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_modules_answer_what_the_stack_answers(case: str, tmp_path: Path) -> None:
    prepared, model = CASES[case]
    like = experiment(prepared, **model)
    path = save(tmp_path, like, prepared)
    x = rows(7) if prepared is PREPARED else np.array([[0.5, -1.0, 1.0, 2.0], [-0.5, 2.0, 0.0, 0.0]], np.float32)
    wanted = probabilities(path, like, SLOTS[1], x, prepared)
    found = rebuilt(path, SLOTS[1])
    assert set(found) == set(prepared.tasks)
    for task, it in found.items():
        values = torch.from_numpy(x).float()
        assert it.embedded is it.network[0]
        assert it.embedded(values).size(1) == sum(it.widths)
        assert len(it.widths) == x.shape[1]
        logits, about = it.network(values), prepared.tasks[task]
        chosen = wanted[task].argmax(1)
        if about.kind == "multiclass":
            assert (logits.argmax(1).numpy() == chosen).all()
        elif about.kind == "binary":
            np.testing.assert_allclose(torch.sigmoid(logits[:, 0]), wanted[task][:, 1], atol=1e-6)
        elif about.kind == "multilabel":
            np.testing.assert_allclose(torch.sigmoid(logits), wanted[task], atol=1e-6)
        else:
            np.testing.assert_allclose(logits * about.std + about.mean, wanted[task], rtol=1e-5)


def test_the_widths_say_which_values_are_embedded(tmp_path: Path) -> None:
    prepared, model = CASES["numbers too"]
    path = save(tmp_path, experiment(prepared, **model), prepared)
    # The numbers, the mark, the code of the category.
    assert rebuilt(path, SLOTS[0])["price"].widths == (2, 2, 2, 3)


def test_tasks_share_the_modules_of_their_trunk(tmp_path: Path) -> None:
    found = rebuilt(save(tmp_path, experiment()), SLOTS[0])
    assert found["colour"].network[1] is found["parity"].network[1]


def test_a_slot_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed/9"):
        rebuilt(save(tmp_path, experiment()), "seed/9")


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("texts")
    return texts.prepared(texts.small(folder / "raw"), texts.experiment(data={"text": {"length": 16}}), folder / "made")


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_texts_are_answered_as_by_the_stack_and_their_embedding_is_found(
    kind: str, posts: Prepared, tmp_path: Path
) -> None:
    like = texts.experiment(trunk={"kind": kind, "embedding": 8} | ({"heads": 2} if kind == "transformer" else {}))
    path = save(tmp_path, like, posts, spread=0.5)
    network, slots = load_network(path, posts, like)
    found = rebuilt(path, SLOTS[1])
    for task, it in found.items():
        x = torch.from_numpy(np.asarray(posts.split("validation").inputs[it.source])).float()
        wanted = network.forward({it.source: x.unsqueeze(0)})[task][slots.index(SLOTS[1])]
        logits = it.network(x)
        if task == "who":  # the tags of each token in turn
            assert logits.shape == (len(x), 16 * len(posts.tasks["who"].classes))
        torch.testing.assert_close(logits.flatten(), wanted.flatten(), rtol=1e-5, atol=1e-6)
        assert it.embedded in list(it.network.modules())
        ids = x.unflatten(1, (16, -1)).long()
        assert it.embedded(ids).flatten(1).size(1) == sum(it.widths) == 16 * 8
        assert len(it.widths) == x.size(1)


@pytest.mark.parametrize("kind", ["words", "categories"])
def test_codes_under_a_trunk_of_ones_own_have_no_embedding(kind: str, posts: Prepared, tmp_path: Path) -> None:
    trunk = {"kind": "torch.nn:Flatten"}
    moods = replace(posts, sources={"posts": posts.sources["posts"]}, tasks={"mood": posts.tasks["mood"]})
    prepared = TABLE if kind == "categories" else moods
    (it,) = rebuilt(save(tmp_path, experiment(prepared, trunk=trunk), prepared), SLOTS[0]).values()
    assert it.embedded is None
    assert set(it.widths) == {1}
