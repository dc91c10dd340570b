"""Every setting of an experiment changes the keys of the steps that read it, and of no others.

Which steps these are stands here, group by group; a setting that nobody has thought of is none of a group's exceptions.
"""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from pipeline.config import Experiment, values_read, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings
from pipeline.config.facts import Step
from pipeline.config.model import Head
from pipeline.config.parts import Part
from pipeline.config.sharing import Sharing
from pipeline.config.sources import SourceSettings
from pipeline.config.tasks import TaskSettings
from pipeline.config.trunks import Trunk
from pipeline.data.sources import Fingerprint
from pipeline.kinds import kind_of
from pipeline.steps import device, prepare
from pipeline.steps.candidates import job_arms, study_of
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.prepare import Prepare
from pipeline.steps.select import Select
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune
from tests.conftest import REPOSITORY
from tests.steps.made import Made

TRAINED = {"train", "study", "tune"}
EVERY_READER = {
    "affinity": {"affinity"},
    "balancing": TRAINED,
    "baselines": set(),
    "baselines.reference": {"evaluate"},
    "compare": set(),
    "data": set(),
    "data.mix": TRAINED,
    "data.temperature": TRAINED,
    "data.test": {"prepare"},
    "data.text": {"prepare"},
    "data.validation": {"prepare", *TRAINED},
    "decision": {"select", "report", "compare", "affinity"},
    "device": TRAINED,
    "explain": {"explain"},
    "gate": set(),
    "mixed": TRAINED,
    "model": TRAINED,
    "name": {"select", "report", "compare", "affinity"},
    "precision": TRAINED,
    "processes": set(),
    "seed": {"prepare", *TRAINED, "explain"},
    "slots": set(),  # which changes no value on a CPU
    "sources": {"prepare"},
    "tasks": {"prepare", *TRAINED},
    "training": TRAINED,
    "training.data_parallel": set(),
    "training.folds": {"prepare", *TRAINED},
    "training.seeds": {"train", "study", "tune"},  # as many replicates, where `tuning.replicates` is null
    "tuning": {"study", "tune"},
    "tuning.base": {"study", "tune"},  # by what it is laid over
    "tuning.storage": set(),
    "tuning.trials": {"tune"},
    "tuning.timeout": {"tune"},
}
"""By the longest prefix of a key, with the settings of tasks and sources below."""

OF_TASKS = {
    **dict.fromkeys(("loss", "loss_arguments", "class_weights", "focal"), TRAINED),
    "metrics": {"evaluate"},
}
PARTS = ("balancing", "model.trunk", "model.sharing", "model.head")
OTHER_TASKS = ("tasks.b.", "tasks.c.", "tasks.d.", "tasks.e.")
PLACES = ("path", "validation", "test", "labels_file", "validation_labels_file", "test_labels_file", "classes_file")
"""Settings of sources that name files: what is in them counts, and not where they are."""

OTHERS: dict[str, list[Any]] = {
    "name": ["other"],
    "device": ["cuda"],
    "baselines.separate": ["mnist_fashion_separate"],
    "balancing.weights": [dict.fromkeys("abcde", 1.0) | {"a": 3.0}],
    "balancing.preference": [dict.fromkeys("abcde", 1.0) | {"a": 3.0}],
    "balancing.nadir": [dict.fromkeys("abcde", 1.0) | {"a": 3.0}],
    "balancing.arguments": [{"n": 2}],
    "balancing.max_norm": [2.0],
    "model.head.arguments": [{"n": 2}],
    "training.augment": [["RandomHorizontalFlip"]],
    "training.data_parallel": [2],
    "training.early_stopping": [{"patience": 2}],
    "training.watch": [{"every": 3}],
    "tuning.base": [{"training.batch_size": 32}],
    "tuning.space": [{"training.momentum": {"float": [0.1, 0.2]}}],
    "tuning.replicates": [1],
    "tuning.timeout": [60.0],
    "tuning.trials": [6],
    "compare.methods": [["cagrad"]],
    "compare.trials": [6],
    "compare.seeds": [3],
    "sources.s.separator": [";"],
    "sources.s.decimal": [","],
    "sources.s.thousands": [","],
    "sources.s.inputs": [{"z": "numeric"}],
}
"""Other values of settings of which the type does not tell any."""

FIVE = {it: {"kind": "binary", "source": "s"} for it in "abcde"}
EMPTY: dict[str, Any] = {
    "torchvision": {"network": "resnet18"},
    "huggingface": {"model": "a"},
    "table": {"path": "a", "inputs": {"x": "numeric"}},
    "images": {"path": "a", "labels_file": "b", "id": "i"},
    "medmnist": {"path": "a"},
    "text": {"path": "a"},
    "tokens": {"path": "a"},
    "sklearn": {"dataset": "wine"},
}
"""What a choice cannot do without."""


def experiment(**settings: Any) -> Experiment:
    least = {"name": "it", "device": "cpu", "tasks": FIVE, "tuning": {"trials": 3}, "training": {"seeds": 3}}
    return Experiment.model_validate(least | settings)


def bases() -> Iterator[tuple[str, Experiment]]:
    """Experiments in which all settings occur."""
    everything = {"training": {"seeds": 3, "early_stopping": {}, "watch": {}}, "compare": {}}
    yield "plain", experiment(**everything)
    momentum = {"optimizer": "sgd", "momentum": 0.5, "seeds": 3}
    yield "momentum", experiment(training=momentum)
    yield "chunks", experiment(training={"chunks": 2, "seeds": 3})
    yield "subwords", experiment(data={"text": {"kind": "subwords"}})
    for part, key in ((Trunk, "trunk"), (Sharing, "sharing"), (Head, "head")):
        for kind in [*part.choices, *(["own:It"] if part.own else [])]:
            yield f"{key} {kind}", experiment(model={key: {"kind": kind} | EMPTY.get(kind, {})})
    for method in [*Balancing.choices, "own:It"]:
        scale = {"normalise": False} if method == "nash_mtl" else {}
        yield f"balancing {method}", experiment(balancing={"method": method} | scale)
    for kind in [*SourceSettings.choices, "own:It"]:
        own = {"s": {"kind": kind} | EMPTY.get(kind, {}) | ({"dataset": "MNIST"} if kind == "torchvision" else {})}
        own["s"].pop("network", None)
        yield f"source {kind}", experiment(sources=own)
    for kind in ("multiclass", "binary", "multilabel", "regression", "tagging"):
        yield f"task {kind}", experiment(tasks=FIVE | {"a": {"kind": kind, "source": "s"}})
    own_loss = {"kind": "binary", "source": "s", "loss": "own:It"}
    yield "task with a loss of one's own", experiment(tasks=FIVE | {"a": own_loss})
    lines = {"kind": "text", "path": "a", **dict.fromkeys(PLACES[1:], "b")}
    yield "source of lines", experiment(sources={"s": lines})
    yield "source to download", experiment(sources={"s": {"kind": "medmnist", "name": "chestmnist"}})


def leaves(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every setting that is no group of settings: its key, its type and its value."""
    for name, field in type(settings).model_fields.items():
        key, value = f"{prefix}{name}", getattr(settings, name)
        if isinstance(value, Settings):
            yield from leaves(value, f"{key}.")
        elif isinstance(value, dict) and key in ("tasks", "sources"):
            for member, it in value.items():
                yield from leaves(it, f"{key}.{member}.")
        else:
            yield key, field.annotation, value


def other_values(key: str, annotation: Any, value: Any) -> Iterator[Any]:
    """What else a setting may be; some of it is refused."""
    yield from OTHERS.get(key, ())
    for choice in (annotation, *get_args(annotation)):
        yield from (it for it in get_args(choice) if isinstance(it, str))
    if isinstance(value, bool):
        yield not value
    if isinstance(value, int | float):
        yield from (value + 1, value * 2, value * 4, value / 2, 0.3, 0.7, 1)
    yield from ([16], [16, 32], [0.1, 0.9], 2, 3, 64, 0.5, None, "other", "own:Other", ["own:other"], ["other"], [8, 8])
    yield from ({"n": 2}, {"x": "categorical"}, {"m": ["k", "l"]}, {"m": "numeric"}, ["own:other"])


def changed(base: Experiment, key: str, annotation: Any, value: Any) -> Experiment | None:
    """The experiment with another value of a setting, or None where it admits no other that is known here."""
    for other in other_values(key, annotation, value):
        try:
            found = with_values(base, {key: other})
        except ValidationError:
            continue
        if found != base:
            return found
    return None


def variants() -> tuple[list[Any], set[str]]:
    """Each setting with another value, once in a base that has it, and in every part, task and source that has it.

    Returns:
        The variants, and the keys of which no base admits another value.
    """
    found: dict[str, Any] = {}
    covered, missed = set(), set()
    for name, base in bases():
        for key, annotation, value in leaves(base):
            several = key.rpartition(".")[0] in PARTS or key.startswith(("sources.s.", "tasks.a."))
            called = f"{key} of {name}" if several else key
            if key.startswith(OTHER_TASKS) or key.endswith((".kind", ".method")) or called in found:
                continue
            if other := changed(base, key, annotation, value):
                found[called] = pytest.param(base, key, other, id=called)
                covered.add(key)
            else:
                missed.add(key)
    return list(found.values()), missed - covered


VARIANTS, MISSED = variants()


def keys(it: Experiment) -> dict[str, Any]:
    """The keys of all steps, whose inputs stay the same."""
    made = Made()
    study = study_of(job_arms(it)[0], made, device.resolve_device(it))
    assert isinstance(study, Tune)
    found: dict[str, Any] = {
        "prepare": Prepare(it, REPOSITORY).key().digest,
        "train": Train(it, "default", made, device.resolve_device(it)).key().digest,
        "study": study.identity().digest,
        "tune": study.key().digest,
    }
    for step in ("select", "evaluate", "report", "explain", "compare", "affinity"):
        found[step] = (
            values_read(it, step),
            [task.own_metrics for task in it.tasks.values()] if step == "evaluate" else [],
        )
    return found


def readers(key: str) -> set[str]:
    """The steps that read a setting, by what stands above."""
    first, *rest = key.split(".")
    if first == "sources" and rest[1] in PLACES:
        return set()
    if first == "tasks" and rest[1] in OF_TASKS:
        return OF_TASKS[rest[1]]
    known = [it for it in EVERY_READER if key == it or key.startswith(f"{it}.")]
    return EVERY_READER[max(known, key=len)]


@pytest.fixture(autouse=True)
def _nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files nor modules of one's own are there."""

    class Source:
        def fingerprint(self, place: Any) -> Fingerprint:
            return Fingerprint({})

    monkeypatch.setattr(prepare, "source", lambda it, name: Source())
    monkeypatch.setattr(prepare.Prepare, "_learnt_elsewhere", lambda self: {})
    monkeypatch.setattr(device, "_plugins", lambda it: {})
    monkeypatch.setattr(device, "_gpus", lambda: 1)


def test_no_setting_is_left_out() -> None:
    assert set() == MISSED, "no other value is known: add one to OTHERS, or a base that admits one"


@pytest.mark.parametrize(("base", "key", "other"), VARIANTS)
def test_a_setting_changes_the_keys_of_the_steps_that_read_it(base: Experiment, key: str, other: Experiment) -> None:
    before, after = keys(base), keys(other)
    assert {step for step in get_args(Step) if before[step] != after[step]} == readers(key)


def code(it: Experiment, step: str) -> set[str]:
    """The modules whose code is part of a step's key."""
    made, where = Made(), device.resolve_device(it)
    steps = {
        "prepare": lambda: Prepare(it, REPOSITORY),
        "train": lambda: Train(it, "default", made, where),
        "tune": lambda: study_of(job_arms(it)[0], made, where),
        "evaluate": lambda: Evaluate(it, made, []),
        "select": lambda: Select(it, made, []),
    }
    return set(steps[step]().key().parts["code"])


def modules_in(*folders: str) -> set[str]:
    """The modules in folders of the package that are no package's face."""
    paths = (path for folder in folders for path in (REPOSITORY / "pipeline" / folder).glob("*.py"))
    names = (".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in paths)
    return {name for name in names if not name.endswith("__init__")}


@pytest.mark.parametrize(
    ("step", "folders"),
    [
        ("train", ("balance", "model/trunks", "model/sharing", "model/modules", "kinds")),
        ("prepare", ("data/sources", "kinds")),
    ],
)
def test_the_code_of_every_part_counts_in_the_steps_that_read_it(step: str, folders: tuple[str, ...]) -> None:
    chosen = {name: it for name, it in bases() if "own:" not in name and "own" not in name.split()}
    found = {name: code(it, step) for name, it in chosen.items()}
    never = {"pipeline.data.sources.own", "pipeline.data.sources.looked"}  # of the user's own, and of `headway init`
    assert modules_in(*folders) - set().union(*found.values()) <= never
    reads = TRAINED if step == "train" else {"prepare"}
    for name, modules in found.items():
        for part in parts_of(chosen[name], reads):
            ours = {it for it in part.modules() if it.startswith("pipeline.")}
            assert ours <= modules, name


def parts_of(it: Experiment, reads: set[str]) -> list[Part]:
    trained = [it.model.trunk, it.model.sharing, it.model.head, it.balancing] if "train" in reads else []
    return [*trained, *it.tasks.values(), *(it.sources.values() if "prepare" in reads else ())]


def test_what_is_not_chosen_does_not_count_but_where_a_study_may_choose_it() -> None:
    plain = experiment()
    assert not {"pipeline.balance.solvers", "pipeline.model.trunks.lenet"} & code(plain, "train")
    assert "pipeline.balance.solvers" not in code(plain, "tune")
    method = with_values(plain, {"tuning.space": {"balancing.method": {"choice": ["fixed", "mgda"]}}})
    trunk = with_values(plain, {"tuning.space": {"model.trunk": {"choice": ["mlp", "lenet"]}}})
    assert "pipeline.balance.solvers" in code(method, "tune") - code(method, "train")
    assert "pipeline.model.trunks.lenet" in code(trunk, "tune") - code(trunk, "train")
    won = Train(plain, "tuned", Made(), "cpu", winners=lambda: [{"balancing.method": "mgda"}])
    assert "pipeline.balance.solvers" in won.key().parts["code"]


@pytest.mark.parametrize("kind", TaskSettings.choices)
def test_the_code_that_measures_a_kind_counts_where_it_is_measured(kind: str) -> None:
    it, definition = experiment(tasks=FIVE | {"a": {"kind": kind, "source": "s"}}), kind_of(kind)
    assert {definition.module(definition.scorer), definition.module(definition.constant)} <= code(it, "evaluate")
    assert definition.module(definition.gate) in code(it, "select")
    assert {definition.module(path) for path in (definition.tally, *definition.losses.values())} <= code(it, "train")
