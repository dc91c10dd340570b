"""No file, however it was made or mistyped, takes memory or time before it is refused in one line."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load
from pipeline.config.base import Settings
from pipeline.config.load import read_yaml
from pipeline.errors import UserError
from pipeline.files import check_regular

from .files import TASKS, settings

SOON_S = 5.0  # on a busy machine; each takes a fraction of a second


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SOON_S


def every_class(base: type[Settings] = Settings) -> Iterator[type[Settings]]:
    for it in base.__subclasses__():
        if it.__module__.startswith("pipeline."):
            yield it
        yield from every_class(it)


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """Where a JSON schema has a whole number, or a list of settings, without a largest value."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "integer" and not {"maximum", "exclusiveMaximum", "const", "enum"} & set(schema):
        yield path
    for name, inner in schema.items():
        yield from unbounded(inner, f"{path}/{name}")


def test_every_whole_number_has_a_largest_value() -> None:
    found = {f"{it.__name__}{path}" for it in every_class() for path in unbounded(it.model_json_schema())}
    # Of a range its bounds are values of the setting that it searches, by whose own limit they are checked.
    assert {it for it in found if "/IntRange/" not in it and not it.startswith("IntRange/")} == set()


HUGE = (
    "tuning: {batch: 4097}", "tuning: {batch: 1000000000}", "tuning: {batch: 1e9}", "tuning: {batch: -1}",
    "tuning: {batch: 1e400}", "tuning: {replicates: 1025}", "tuning: {trials: 1000000000000}",
    "training: {seeds: 1025}", "training: {seeds: 10000000}", "training: {seeds: 1e7}", "training: {seeds: -3}",
    "training: {seeds: 99999999999999999999999999999}", "training: {epochs: 1e12}", "training: {epochs: 1000000000000}",
    "training: {updates: 1000000000000}", "training: {batch_size: 1000000000}", "training: {warmup_epochs: 1e300}",
    "training: {early_stopping: {patience: 1000000000000}}", "training: {plateau_patience: 1000000000000}",
    "slots: 5000", "processes: 100000", "model: {trunk: {widths: [1000000000]}}", "model: {trunk: {widths: [1e9]}}",
    "model: {trunk: {embedding: 1000000000}}", "model: {trunk: {kind: resnet, blocks: 1000000}}",
    "model: {trunk: {kind: lenet, channels: [1000000000, 2]}}", "model: {head: {kind: mlp, widths: [1000000000]}}",
    "model: {sharing: {kind: mmoe, experts: 1000000}}", "model: {sharing: {kind: mtan, bottleneck: 1e9}}",
    f"model: {{trunk: {{widths: {[8] * 2000}}}}}", "data: {text: {length: 1000000}}",
    "data: {text: {words: 1000000000}}",
    "data: {text: {buckets: 100000000000}}", "data: {text: {kind: subwords, subwords: 1000000000000}}",
    "sources: {s: {kind: table, path: x, categories: 1000000000}}",
    "sources: {s: {kind: images, path: x, size: [1000000, 1000000]}}", "explain: {rows: 1000000000}",
    "affinity: {networks: 1000000}", "affinity: {check: 1000000}", "compare: {seeds: 100000}",
    "balancing: {method: nash_mtl, iterations: 1000000000}",
    "tuning: {space: {training.batch_size: {int: [1, 100000000000]}}}",
    "tuning: {space: {model.trunk.widths: {choice: [[8], [1000000000]]}}}",
    f"tuning: {{space: {{training.batch_size: {{choice: {[*range(1, 2000)]}}}}}}}",
)  # fmt: skip


@pytest.mark.parametrize("text", HUGE, ids=lambda it: it[:60])
def test_a_number_that_nobody_trains_with_is_refused_with_its_key(problem: Any, text: str) -> None:
    line = problem(settings(text))
    assert "\n" not in line
    assert len(line) < 300
    assert any(word in line for word in ("less than", "greater than", "valid integer", "finite", "at most"))


@pytest.mark.parametrize(
    "text", ["tuning: {batch: 4096, trials: 5120}", "training: {seeds: 1024}", "tuning: {replicates: 1024}"]
)
def test_the_largest_are_taken(written: Any, text: str) -> None:
    assert written(settings(text))


def test_combinations_of_conditions_are_counted_before_they_are_tried(problem: Any) -> None:
    many = {f"training.{name}": {"choice": [*range(1, 101)]} for name in ("batch_size", "epochs", "plateau_patience")}
    many["training.weight_decay"] = {"float": [0, 1], "when": {key: it["choice"] for key, it in many.items()}}
    assert "tuning.space.training.weight_decay.when" in problem(settings(f"tuning: {{space: {many}}}"))


def test_three_thousand_tasks_are_read_soon(written: Any) -> None:
    names = [f"t{count}" for count in range(3000)]
    tasks = "".join(f"  {name}: {{kind: binary, source: many}}\n" for name in names)
    weights = ", ".join(f"{name}: 1.0" for name in names)
    read = written(
        f"sources: {{many: {{kind: table, path: x.csv}}}}\ntasks:\n{tasks}balancing: {{weights: {{{weights}}}}}"
    )
    assert list(read.tasks) == names


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{it}: &a{it} [{', '.join([f'*a{it - 1}'] * 10)}]\n" for it in range(1, 12)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{it}: &a{it} {{<<: [{', '.join([f'*a{it - 1}'] * 10)}]}}\n" for it in range(1, 12)
)
BOMBS = {
    "aliases": LAUGHS,
    "merge keys": MERGED,
    "an alias of itself": "a: &a [*a]",
    "a merge of itself": "a: &a {<<: *a}",
    "lists in lists": "a: " + "[" * 100_000,
    "closed lists in lists": "a: " + "[" * 100_000 + "]" * 100_000,
    "items in items": "- " * 200_000 + "a",
    "keys in keys": "? " * 100_000 + "a",
    "mappings in mappings": "\n".join(" " * it + "a:" for it in range(2000)),
    "flow mappings": "{a: " * 50_000,
    "a long number": "a: " + "9" * 1_000_000,
    "a tag that bears code": "a: !!python/object/apply:os.system [ls]",
    "a long file with a tag that bears code": f"# {'x' * 30_000}\na: !!python/object/apply:os.system [ls]",
    "a long file with a key twice": f"# {'x' * 30_000}\na: 1\na: 2",
}


@pytest.mark.parametrize("name", BOMBS)
def test_yaml_that_expands_or_nests_without_end_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(TASKS + BOMBS[name])
    with pytest.raises(UserError) as caught:
        load(str(path), {}, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(UserError, match=r"^it.yaml: larger than 8 MiB"):
        read_yaml(path)


@pytest.fixture(params=["fifo", "link", "socket", "/dev/zero", "/dev/null", "/proc/self/environ"])
def strange(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What is no regular file."""
    path = Path(request.param)
    if path.is_absolute():
        yield path
        return
    path = tmp_path / "it.yaml"
    if request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            yield path
        return
    os.mkfifo(tmp_path / "pipe")
    os.symlink("pipe", path) if request.param == "link" else os.rename(tmp_path / "pipe", path)
    yield path


def test_what_is_no_file_is_named_and_not_opened(strange: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^--input: {strange} is .*: give a regular file or a folder$"):
        check_regular(strange, "--input")
    with pytest.raises(UserError, match="give a regular file or a folder"):
        load(str(strange), {}, tmp_path)


def test_a_pipe_among_the_experiments_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    os.mkfifo(tmp_path / "experiments" / "it.yaml")
    with pytest.raises(UserError, match="is a pipe"):
        load("it", {}, tmp_path)


def test_files_folders_and_what_is_not_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for path in (tmp_path, tmp_path / "a", tmp_path / "none", "x" * 5000, "\0"):
        check_regular(path)
