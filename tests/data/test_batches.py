from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.batches import Batches, evaluated_rows, in_order
from pipeline.data.plan import dropped
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split
from pipeline.draws import Stream

ROWS = {"long": 50, "short": 20}
STREAM = Stream(0, "seed/0")


def data(rows: dict[str, int]) -> tuple[Prepared, Split]:
    """Every input and label holds the number of its row; the long source has two tasks."""
    sources = {name: PreparedSource((2,), 4.0, {"train": count}) for name, count in rows.items()}
    tasks = {
        f"{name}/{i}": PreparedTask("multiclass", name, ("x",)) for name in rows for i in range(1 + (name == "long"))
    }
    inputs = {name: np.repeat(np.arange(count, dtype=np.uint8)[:, None], 2, axis=1) for name, count in rows.items()}
    labels = {task: np.arange(rows[it.source]) for task, it in tasks.items()}
    return Prepared(Path(), sources, tasks), Split(inputs, labels)


def batches(mix: str, batch_size: int = 8, rows: dict[str, int] = ROWS, heat: float = 1.0) -> Batches:
    prepared, split = data(rows)
    return Batches(prepared, [split], batch_size, mix, heat=heat)


def steps(it: Batches, epoch: int = 0, streams=(STREAM,)) -> list[dict[str, list[list[int]]]]:
    """Row numbers of each task, stream by stream, for each step."""
    drawn = []
    for batch in it.epoch(list(streams), epoch):
        for task, targets in batch.targets.items():
            inputs = batch.inputs[task.split("/")[0]]
            assert inputs.dtype == torch.float32
            assert torch.equal(inputs, targets.values.float().unsqueeze(-1).expand_as(inputs))
        drawn.append({task: targets.values.tolist() for task, targets in batch.targets.items()})
    assert len(drawn) == it.steps
    return drawn


def order(it: Batches, source: str, epoch: int = 0, stream: Stream = STREAM) -> list[int]:
    return [row for step in steps(it, epoch, [stream]) for row in step[f"{source}/0"][0]]


def test_longest_shows_every_task_all_its_rows_and_cycles_the_shorter():
    it = batches("longest")
    assert sorted(order(it, "long")) == list(range(50))
    short = order(it, "short")
    assert sorted(short[:20]) == sorted(short[20:40]) == list(range(20))
    assert len(set(short[40:])) == 10
    assert short[:20] != short[20:40]
    assert it.steps == 7


def test_longest_gives_every_source_as_many_rows_a_step():
    sizes = [{len(rows[0]) for rows in step.values()} for step in steps(batches("longest"))]
    assert sizes == [{8}] * 6 + [{2}]


def test_proportional_uses_each_row_once_and_shares_each_step_by_size():
    it = batches("proportional")
    drawn = steps(it)
    for source, count in ROWS.items():
        assert sorted(order(it, source)) == list(range(count))
        assert {len(step[f"{source}/0"][0]) for step in drawn} <= {count // it.steps, -(-count // it.steps)}
    assert all(len(step["long/0"][0]) + len(step["short/0"][0]) <= 16 for step in drawn)
    assert it.steps == 5


def test_proportional_keeps_every_row_of_a_source_with_fewer_rows_than_steps():
    it = batches("proportional", rows={"long": 200, "short": 3})
    assert it.steps == 13
    assert sorted(order(it, "short")) == [0, 1, 2]


def test_temperature_of_one_is_proportional():
    warm, proportional = batches("temperature"), batches("proportional")
    for source in ROWS:
        assert order(warm, source) == order(proportional, source)


@pytest.mark.parametrize("heat", [1.0, 2.0, 5.0, 1e6])
def test_temperature_shares_an_epoch_out_by_a_root_of_the_sizes(heat):
    rows = {"long": 180, "short": 20}
    it = batches("temperature", rows=rows, heat=heat)
    assert it.steps == 13
    drawn = {source: len(order(it, source)) for source in rows}
    assert drawn["long"] / drawn["short"] == pytest.approx(9 ** (1 / heat), rel=0.01)
    assert sum(drawn.values()) == pytest.approx(200, abs=1)
    # The short one comes round again, each time whole and in another order; the long one never repeats a row.
    first, second = order(it, "short")[:20], order(it, "short")[20:40]
    assert len(set(first)) == 20
    assert len(set(second)) == len(second)
    assert len(set(order(it, "long"))) == drawn["long"]
    assert dropped(rows, "temperature", heat) == ({"long": 180 - drawn["long"]} if heat > 1 else {})
    for step in steps(it):
        assert abs(len(step["short/0"][0]) - drawn["short"] / 13) < 1


def test_shortest_uses_as_many_rows_of_each_source_as_the_shortest_has():
    it = batches("shortest")
    assert sorted(order(it, "short")) == list(range(20))
    first, second = (order(it, "long", epoch) for epoch in (0, 1))
    assert len(set(first)) == len(set(second)) == 20
    assert set(first) != set(second)


@pytest.mark.parametrize("mix", ["longest", "proportional", "shortest", "temperature"])
def test_what_is_said_to_be_dropped_is_what_no_step_uses(mix):
    it = batches(mix)
    unused = {source: count - len(set(order(it, source))) for source, count in ROWS.items()}
    assert dropped(ROWS, mix) == {source: count for source, count in unused.items() if count}


def test_shortest_says_how_many_rows_of_which_source_it_drops():
    assert dropped({"a": 10, "b": 7, "c": 7}, "shortest") == {"a": 3}
    assert dropped({"a": 10}, "shortest") == {}


@pytest.mark.parametrize("mix", ["longest", "proportional", "shortest"])
def test_the_order_is_a_function_of_stream_and_epoch(mix):
    it = batches(mix)
    first = order(it, "long", 3)
    assert order(it, "long", 3) == first
    assert order(batches(mix), "long", 3) == first
    assert order(it, "long", 4) != first
    assert order(it, "long", 3, Stream(0, "seed/1")) != first
    assert order(it, "long", 3, Stream(1, "seed/0")) != first


def test_sources_are_shuffled_apart():
    it = batches("longest", rows={"long": 30, "other": 30})
    assert order(it, "long") != order(it, "other")


def test_tasks_on_one_source_share_its_inputs():
    for batch in batches("longest").epoch([STREAM], 0):
        assert set(batch.inputs) == set(ROWS)
        assert torch.equal(batch.targets["long/0"].values, batch.targets["long/1"].values)


def test_a_stream_draws_the_same_beside_any_other():
    streams = [Stream(0, f"seed/{index}") for index in range(3)]
    it = batches("longest")
    together = steps(it, 1, streams)
    for index, stream in enumerate(streams):
        alone = steps(it, 1, [stream])
        assert [{task: [rows[index]] for task, rows in step.items()} for step in together] == alone


def test_one_stream_for_all_slots_is_drawn_once():
    batch = next(iter(batches("longest").epoch([STREAM] * 5, 0)))
    assert batch.inputs["long"].shape == (1, 8, 2)
    assert batch.targets["long/0"].values.shape == (1, 8)


def test_a_batch_larger_than_the_data_is_one_step():
    it = batches("longest", batch_size=1000)
    assert it.steps == 1
    assert Counter(order(it, "short")) == Counter(list(range(20)) * 2) + Counter(order(it, "short")[40:])


def test_missing_labels_stay_masked():
    prepared, split = data({"short": 6})
    split.labels["short/0"][2] = -1
    targets = [batch.targets["short/0"] for batch in Batches(prepared, [split], 4, "longest").epoch([STREAM], 0)]
    classes, labelled = (torch.cat([getattr(it, name)[0] for it in targets]) for name in ("values", "labelled"))
    assert sorted(classes[labelled > 0].tolist()) == [0, 1, 3, 4, 5]
    assert classes[labelled == 0].tolist() == [0]
    for it in targets:
        assert torch.equal(it.share[0], it.labelled[0] / it.labelled.sum())


def test_rows_in_order_have_the_values_that_training_sees():
    prepared, split = data(ROWS)
    whole = [
        (batch.inputs["long"][0].clone(), batch.targets)
        for batch in in_order(prepared, split, rows=16)
        if "long" in batch.inputs
    ]
    assert [x.shape for x, _ in whole] == [(16, 2)] * 3 + [(2, 2)]
    assert set(whole[0][1]) == {"long/0", "long/1"}
    values = torch.cat([x for x, _ in whole])
    assert torch.cat([targets["long/0"].values[0] for _, targets in whole]).tolist() == list(range(50))
    for batch in Batches(prepared, [split], 8, "longest").epoch([STREAM], 0):
        assert torch.equal(batch.inputs["long"][0], values[batch.targets["long/0"].values[0]])


def test_passes_that_evaluate_take_fewer_rows_where_each_of_them_keeps_much() -> None:
    assert [evaluated_rows(units) for units in (0, 138, 2**14, 2**15, 2**22)] == [512, 512, 512, 256, 16]
