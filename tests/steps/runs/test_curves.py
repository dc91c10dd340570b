"""Curves are logged while they grow, and none of their points is lost or logged twice."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pipeline.steps.runs.curves import Live, history, kept, summary
from pipeline.throttle import Throttle
from pipeline.tracking.run import Run
from pipeline.training.slot import SlotState

KEY = "validation/a/accuracy"
ALWAYS, NEVER = math.inf, 1e-12


class Logged:
    """Keeps what a run would be told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[float]]] = []

    def curves(self, rows: Sequence[Mapping[str, float]], first: int) -> None:
        self.calls.append((first, [row[KEY] for row in rows]))


def state(name: str, values: list[float], best: int = 1, **more: Any) -> SlotState:
    updates = [10 * look for look in range(1, len(values) + 1)]
    return SlotState(name, history=[{KEY: value} for value in values], updates=updates, best_look=best, **more)


def live(run: Logged, share: float, states: Mapping[str, SlotState] | None = None) -> Live:
    return Live(cast(Run, run), ["seed/0", "seed/1"], states or {}, Throttle(share))


def test_each_epoch_is_logged_at_once_where_that_costs_little() -> None:
    run = Logged()
    curves = live(run, ALWAYS)
    assert curves.add([state("seed/0", [0.25]), state("seed/1", [0.75])]) == 1
    assert curves.add([state("seed/0", [0.25, 0.5]), state("seed/1", [0.75, 1.0])]) == 2
    curves.log()
    assert run.calls == [(1, [0.5]), (2, [0.75]), (3, [])]


def test_where_it_costs_much_the_rest_is_logged_at_the_end() -> None:
    run = Logged()
    curves = live(run, NEVER)
    for values in ([0.25], [0.25, 0.5]):
        curves.add([state("seed/0", values), state("seed/1", values)])
    assert run.calls == []
    curves.log()
    assert run.calls == [(1, [0.25, 0.5])]


def test_the_interval_of_an_accuracy_stays_below_one_and_that_of_another_value_need_not() -> None:
    told = summary([{KEY: 0.9, "validation/all/objective": 0.9}, {KEY: 1.0, "validation/all/objective": 1.0}])
    assert told[KEY] == 0.95
    assert told[f"{KEY}_ci_high"] == 1.0
    assert told["validation/all/objective_ci_high"] > 1.0
    assert summary([{KEY: 0.9}]) == {KEY: 0.9}


def test_a_slot_that_stopped_counts_with_its_kept_epoch_however_late_that_is_logged() -> None:
    grown = [
        [state("seed/0", [0.5], 1), state("seed/1", [0.25], 1)],
        [state("seed/0", [0.5, 0.0], 1, status="finished"), state("seed/1", [0.25, 0.75], 2)],
        [state("seed/1", [0.25, 0.75, 0.0], 2, status="finished")],
    ]
    at_once, late = Logged(), Logged()
    for run, share in ((at_once, ALWAYS), (late, NEVER)):
        curves = live(run, share)
        for states in grown:
            curves.add(states)
        curves.log()
    assert [value for _, values in at_once.calls for value in values] == [0.375, 0.375, 0.25]
    assert late.calls == [(1, [0.375, 0.375, 0.25])]


def test_after_a_resume_all_is_logged_for_the_run_to_pick_what_it_lacks() -> None:
    run = Logged()
    known = {name: state(name, [0.25, 0.5]) for name in ("seed/0", "seed/1")}
    curves = live(run, NEVER, known)
    curves.add([state(name, [0.25, 0.5, 0.75]) for name in known])
    curves.log()
    assert run.calls == [(1, [0.25, 0.5, 0.75])]


def test_history_has_a_row_for_each_look_with_the_updates_done_by_then() -> None:
    rows = history([state("seed/0", [0.25, 0.5], 2), state("seed/1", [0.75], 1, status="finished")])
    assert rows[["slot", "epoch", "updates", "kept"]].values.tolist() == [
        ["seed/0", 1, 10, False],
        ["seed/0", 2, 20, True],
        ["seed/1", 1, 10, True],
    ]


def test_what_was_not_noted_in_every_kept_stretch_is_left_out_of_the_mean() -> None:
    states = [state("seed/0", [0.25]), state("seed/1", [0.75])]
    states[0].history[0]["all/conflicts"] = 0.5
    assert kept(states)[KEY] == 0.5
    assert "all/conflicts" not in kept(states)
