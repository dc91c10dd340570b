"""Encoders of Hugging Face as trunks: they answer what transformers answers, whatever is beside a row."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import Experiment
from pipeline.config.trunks import Trunk
from pipeline.data.encodings.text import TextEncoder, TextEncoding
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure, UserError
from pipeline.model import Network
from pipeline.steps.device import exactness
from pipeline.steps.prepare import Prepare
from pipeline.training.stack.network import build_network
from tests import encoders
from tests.data import texts
from tests.model.bound import streams

pytest.importorskip("transformers")

TEXTS = ["Anna saw Oslo !", "", "we saw a lovely zebra near New York", "the"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoders.encoder(tmp_path_factory.mktemp("encoder"))


def experiment(folder: Path, **more: Any) -> Experiment:
    trunk = {"kind": "huggingface", "model": str(folder)} | more.pop("trunk", {})
    tree = {"name": "small", "sources": texts.SOURCES, "tasks": texts.TASKS, "tuning": None, "model": {"trunk": trunk}}
    return Experiment.model_validate(tree | {"data": {"validation": 0.2, "test": 0.2}} | more)


@pytest.fixture(scope="module")
def data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    place = tmp_path_factory.mktemp("data")
    return texts.prepared(texts.small(place / "raw"), experiment(folder), place / "made")


def encoding(folder: Path, length: int | None = None) -> TextEncoding:
    settings = experiment(folder, data={"text": {"length": length}}).data.text
    rows = [text.split() for text in TEXTS]
    return TextEncoder(settings, str(folder)).fit([(rows, np.ones(len(rows), bool))])


def started(data: Prepared, like: Experiment) -> Network:
    network = build_network(data, [like])
    network.initialise(list(streams(1)))
    return network


def answers(network: Network, rows: np.ndarray) -> torch.Tensor:
    """The trunk's answer to rows [B, F], [B, T + 1, H]."""
    branch = network.branches[0]
    x = torch.from_numpy(np.asarray(rows)).float().flatten(1).unsqueeze(0)
    network.forward({branch.sources[0]: x})
    passed = network.passed[0]
    assert passed is not None
    return passed[0].tensor[0].clone().unflatten(1, (-1, 16))


def test_a_token_has_the_state_of_its_first_subword_and_a_row_their_mean(folder: Path, data: Prepared) -> None:
    from transformers import AutoModel, AutoTokenizer

    network = started(data, experiment(folder))
    length = data.sources["names"].shape[0]
    about = data.sources["names"].encoding
    rows = TextEncoding(about | {"length": length}).encode([text.split() for text in TEXTS])
    found = answers(network, rows)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for text, own in zip(TEXTS, found, strict=True):
        asked = tokenizer(text.split(), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**asked).last_hidden_state[0]
        words = asked.word_ids()
        for place in range(length):
            wanted = states[words.index(place)] if place in words else torch.zeros(16)
            torch.testing.assert_close(own[place], wanted, rtol=1e-4, atol=1e-5)
        inside = states[[it is not None for it in words]]
        torch.testing.assert_close(own[-1], inside.sum(0) / max(1, len(inside)), rtol=1e-4, atol=1e-5)


def test_a_row_is_answered_the_same_alone(folder: Path, data: Prepared) -> None:
    network = started(data, experiment(folder))
    rows = data.split("train").inputs["names"][:5]
    together = answers(network, rows)
    for place in range(5):
        torch.testing.assert_close(answers(network, rows[place : place + 1])[0], together[place], rtol=1e-4, atol=1e-5)


def test_a_frozen_encoder_is_not_trained_and_drops_nothing(folder: Path, data: Prepared) -> None:
    from pipeline.model import Pass

    trained, frozen = (started(data, experiment(folder, trunk={"frozen": it})) for it in (False, True))
    assert not [name for name in frozen.declared("parameters") if name.startswith("trunk")]
    assert len([name for name in trained.declared("parameters") if name.startswith("trunk")]) > 20
    still = started(data, experiment(folder, trunk={"frozen": True, "dropout": 0.0}))
    x = {"names": torch.from_numpy(np.asarray(data.split("train").inputs["names"][:3])).float().unsqueeze(0)}
    one, other = (still.forward(x, Pass({}, streams(1), step=step))["who"].clone() for step in (1, 2))
    assert torch.equal(one, other)
    one, other = (trained.forward(x, Pass({}, streams(1), step=step))["who"].clone() for step in (1, 2))
    assert not torch.equal(one, other)


def test_every_slot_begins_with_the_encoders_own_values(folder: Path, data: Prepared) -> None:
    from safetensors.torch import load_file

    network = build_network(data, [experiment(folder)] * 2)
    network.initialise(list(streams(2)))
    named = network.named(network.values, network.buffers)
    for name, it in load_file(folder / "model.safetensors").items():
        assert torch.equal(named[f"trunk.0.encoder.{name}"], it.expand(2, *it.shape))
    assert not torch.equal(*named["head.who.1.weight"])


def test_tokens_are_the_tokenizers_subwords_and_long_rows_are_cut_to_its_positions(tmp_path: Path) -> None:
    folder = encoders.encoder(tmp_path, positions=13)  # two marks around a text, and one is counted as padding's
    made = encoding(folder)
    assert made.about["frame"]["most"] == 10
    (row,) = made.encode([TEXTS[0].split()])
    vocabulary = [*encoders.SPECIAL, *encoders.WORDS]
    assert [[vocabulary[it - 1] for it in token if it] for token in row if token[0]] == [
        ["an", "##na"], ["saw"], ["os", "##lo"], ["!"]
    ]  # fmt: skip
    longer = encoding(folder, length=300)
    assert longer.shape[0] == 10
    several = [["Anna"] * 4, ["Anna"] * 5, ["Anna"] * 6, ["the"] * 11]
    rows = longer.encode(several)
    assert (rows != 0).sum((1, 2)).tolist() == [8, 10, 6, 10]
    assert longer.cut(several).tolist() == [False, False, True, True]


def test_the_longest_row_that_the_encoder_can_take_is_answered(tmp_path: Path) -> None:
    folder = encoders.encoder(tmp_path / "encoder", positions=19)
    like = experiment(folder, data={"validation": 0.2, "text": {"length": 300}})
    data = texts.prepared(texts.small(tmp_path / "raw"), like, tmp_path / "made")
    assert data.sources["names"].shape[0] == 16
    rows = TextEncoding(data.sources["names"].encoding).encode([["the"] * 40, ["Anna"] * 9])
    found = answers(started(data, like), rows)
    assert found.isfinite().all()
    assert found[0, :16].any(1).all()
    assert answers(started(data, like), np.ones_like(rows)).isfinite().all()


@pytest.mark.parametrize("settings", [{}, {"trunk": {"frozen": True}}])
def test_keys_follow_the_files_and_what_reads_them(tmp_path: Path, settings: dict, monkeypatch: Any) -> None:
    folder, raw = encoders.encoder(tmp_path / "one"), texts.small(tmp_path / "raw")
    like = experiment(folder, data={"root": str(raw), "variant": "full"}, **settings)

    def keys() -> tuple[str, str]:
        return Prepare(like, tmp_path).key().digest, str(exactness(like, "cpu")["plugins"])

    first = keys()
    assert "transformers 5." in first[1]
    encoders.encoder(folder, seed=1)
    second = keys()
    assert first[0] == second[0]  # other weights encode text alike
    assert first[1] != second[1]
    vocabulary = folder / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace("yesterday", "yesternight"))
    third = keys()
    assert third[0] != second[0]
    assert third[1] != second[1]


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("config.json", "holds no config.json: give the folder of a saved encoder"),
        ("tokenizer.json", "holds no tokenizer \\(tokenizer.json or vocab.txt or"),
        ("model.safetensors", "holds no weights \\(\\*.safetensors\\)"),
    ],
)
def test_a_folder_that_lacks_something_is_one_line(tmp_path: Path, missing: str, line: str) -> None:
    folder = encoders.encoder(tmp_path / "one")
    (folder / missing).unlink()
    with pytest.raises(UserError, match=f"model.trunk.model: .*one {line}"):
        exactness(experiment(folder), "cpu")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("BartConfig", r"\(bart\) is an encoder with a decoder: give an encoder alone"),
        ("ViTConfig", r"\(vit\) is no encoder of text: give one such as BERT"),
        ("GPT2Config", r"\(gpt2\) is no encoder of text"),
    ],
)
def test_what_is_no_encoder_of_text_is_one_line(tmp_path: Path, kind: str, line: str) -> None:
    import transformers

    folder = encoders.encoder(tmp_path / "one")
    getattr(transformers, kind)().save_pretrained(folder)
    with pytest.raises(UserError, match=line):
        encoding(folder)


def test_broken_files_are_one_line_each(folder: Path, data: Prepared, tmp_path: Path) -> None:
    own = encoders.encoder(tmp_path / "one")
    (own / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"one: config.json cannot be used: .*model_type"):
        encoding(own)
    own = encoders.encoder(tmp_path / "two")
    (own / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match=r"the tokenizer of .*two cannot be used: "):
        encoding(own)
    own = encoders.encoder(tmp_path / "three")
    (own / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"the weights of .*three cannot be read: "):
        started(data, experiment(own))


def test_rows_of_another_vocabulary_are_refused(folder: Path, tmp_path: Path) -> None:
    other = texts.prepared(texts.small(tmp_path / "raw"), texts.experiment(), tmp_path / "made")
    with pytest.raises(UserError, match="'huggingface' reads what its own tokenizer makes of text, and names, posts"):
        build_network(other, [experiment(folder)])


def test_another_trunk_of_text_reads_the_tokenizers_numbers(data: Prepared) -> None:
    network = started(data, texts.experiment(trunk={"kind": "gru"}))
    assert network.declared("parameters")["trunk.0.embedded.bag.weight"].shape[0] == data.sources["names"].ids


def test_the_extra_is_named_where_it_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else found(name))
    with pytest.raises(Failure, match=r"^trunk huggingface needs .*: pip install 'headway\[transformers\]'$"):
        exactness(experiment(folder), "cpu")


def test_a_name_that_the_hub_does_not_give_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(name: str, **_: Any) -> str:
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(UserError, match=r"no folder some/it, and the Hub does not give it \(no network\)$"):
        exactness(experiment(Path("some/it")), "cpu")
    monkeypatch.undo()
    with pytest.raises(UserError, match="there is no folder /nowhere/at/all"):
        exactness(experiment(Path("/nowhere/at/all")), "cpu")


@pytest.mark.parametrize(
    ("given", "line"),
    [({}, "needs model: the folder of an encoder"), ({"model": "x", "widths": (3,)}, "does not use widths=\\(3,\\)")],
)
def test_settings_are_checked(given: dict, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Trunk.of({"kind": "huggingface", **given})


def test_a_vocabulary_beside_a_pretrained_tokenizer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has a tokenizer of its own: of data\.text give length alone"):
        experiment(Path("x"), data={"text": {"kind": "subwords"}})
    assert experiment(Path("x"), data={"text": {"length": 7}}).data.text.length == 7
