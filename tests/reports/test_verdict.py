"""The first line answers, in every case, and says what follows."""

import re
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from pipeline.analysis import tables
from pipeline.analysis.candidate import CONSTANT, SINGLE, Role
from pipeline.analysis.metrics import Scores
from pipeline.analysis.statistics.decision import Decision
from pipeline.reports import ReportData, render, verdict
from pipeline.reports.cells import deviations, setting_rows
from pipeline.reports.verdict import details
from pipeline.reports.words import settling
from tests.analysis.made import drawn, evaluation, report_data

NUMBER = r"[+-]\d+\.\d\d"
INTERVAL = rf"\[{NUMBER}, {NUMBER}\]"
DELTA = rf"delta-m {NUMBER} % {INTERVAL}"


def scores(a: float, b: float, seed: int = 0, seeds: int = 5, rows: int = 400) -> Scores:
    return {task: drawn(it, seeds, rows, seed + n, source=task) for n, (task, it) in enumerate((("a", a), ("b", b)))}


def tuned_data(tuned: tuple[float, float], single: tuple[float, float], alike: bool = True, **more: Any) -> ReportData:
    """A report on default, tuned and single-task networks, the last tuned as well or not."""
    groups: dict[str, tuple[Role, Scores]] = {
        "default": ("default", scores(0.6, 0.6, 0)),
        SINGLE: ("single", scores(*single, 10)),
        "tuned": ("tuned", scores(*tuned, 20)),
    }
    found = evaluation(groups)
    if alike:
        its = {name: it for name, (_, it) in groups.items()}
        pairs = [(name, SINGLE) for name in its]
        found = replace(found, delta_m=tables.delta_m_table(its, pairs, ["tuned", SINGLE]))
    return ReportData(name="made", evaluation=found, **{"champion": "tuned", **more})


def test_nothing_is_called_champion_where_nothing_was_chosen() -> None:
    data = report_data({"a": 0.95, "b": 0.6}, {"a": 0.5, "b": 0.6}, champion=None)
    assert ". Use the shared network; the experiment as written reaches 94" in verdict(data)


def test_it_helps() -> None:
    data = report_data({"a": 0.95, "b": 0.6}, {"a": 0.5, "b": 0.6})
    assert data.decision.word == "helps"
    assert re.fullmatch(
        rf"Sharing helps here, as written, untuned: the shared network is better than single-task networks, {DELTA}, "
        rf"clearly better on a \({NUMBER} points\)\. Use the shared network; the champion, the experiment as "
        r"written, reaches \d+\.\d\d % accuracy on a and \d+\.\d\d % accuracy on b\.",
        verdict(data),
    )


def test_it_hurts() -> None:
    data = report_data({"a": 0.5, "b": 0.6}, {"a": 0.95, "b": 0.6})
    assert data.decision.word == "hurts"
    line = verdict(data)
    assert line.startswith("Sharing hurts here, as written, untuned: the shared network is worse than single-task")
    assert ". Keep a network for each task; the champion, the experiment as written, reaches " in line


def test_tuned_networks_are_compared_with_those_tuned_alike() -> None:
    data = tuned_data((0.9, 0.9), (0.6, 0.6), replicates=5)
    line = verdict(data)
    assert line.startswith("Sharing helps here: the tuned shared network is better than single-task networks tuned")
    assert "untuned" not in line
    assert "the champion, the tuned network, reaches" in line
    assert "between 5 replicates" in details(data)[-1]
    assert details(data)[-1].startswith("Delta-m is the mean over tasks")


def test_tuned_networks_are_not_compared_with_untuned_ones() -> None:
    data = tuned_data((0.9, 0.9), (0.6, 0.6), alike=False)
    assert data.shared == "default"
    assert "as written, untuned: the shared network" in verdict(data)


def test_delta_m_of_the_network_as_written_is_marked_where_baselines_are_tuned() -> None:
    lines = details(tuned_data((0.9, 0.9), (0.6, 0.6)))
    (default,) = (line for line in lines if line.startswith("All tasks together, default"))
    (tuned,) = (line for line in lines if line.startswith("All tasks together, tuned"))
    assert default.endswith("(against tuned baselines).")
    assert tuned.endswith("].")


def test_it_helps_one_and_hurts_another() -> None:
    line = verdict(report_data({"a": 0.95, "b": 0.5}, {"a": 0.5, "b": 0.95}))
    assert line.startswith("Sharing helps some tasks here and hurts others, as written, untuned: against single-task")
    assert re.search(rf"is better on a \({NUMBER} points\) and worse on b \({NUMBER} points\), {DELTA}\. ", line)
    assert "headway affinity" in line


def test_no_difference_that_matters_means_the_cheaper_one() -> None:
    data = report_data({"a": 0.6, "b": 0.7}, {"a": 0.6, "b": 0.7})
    assert data.decision.word == "no_difference"
    line = verdict(data)
    assert line.startswith("Sharing makes no difference here that matters, as written, untuned:")
    assert "alike within the margin of 1 % on every task" in line
    assert "Take the cheaper one, the shared network; the champion" in line


def test_what_is_not_known_yet_says_what_would_settle_it() -> None:
    data = tuned_data((0.7, 0.7), (0.7, 0.7))
    assert data.decision.word == "unknown"
    line = verdict(data)
    assert line.startswith("Whether sharing helps here is not known yet: the tuned shared network against single-task")
    assert re.search(r"; an effect of \d+\.\d\d % would have been seen in four of five tries, and ", line)
    assert "would narrow it most" in line


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Decision("unknown", replicates=13), "data.test={folds: 5, repeats: 3} would narrow it most"),
        (Decision("unknown"), "more rows would narrow it most, more repeats of the folds little"),
    ],
)
def test_where_every_row_tests_repeats_of_the_folds_are_what_can_be_more(found: Decision, said: str) -> None:
    assert settling(found, "tuning.replicates", folds=5) == said


def test_no_repeats_are_advised_where_the_folds_can_be_cut_in_one_way() -> None:
    said = settling(Decision("unknown", replicates=13), "tuning.replicates", folds=3, once=True)
    assert said == "more rows would narrow it: there is one way to cut these into folds"
    outer = {"sources": {}, "tasks": {}, "outer": {"folds": 3, "repeats": 1, "replicates": 3, "once": True}}
    assert verdict(replace(tuned_data((0.7, 0.7), (0.7, 0.7)), manifest=outer)).endswith(f"{said}.")


def test_where_every_row_tests_the_details_say_so() -> None:
    outer = {"sources": {}, "tasks": {}, "outer": {"folds": 5, "repeats": 2, "replicates": 10}}
    lines = " ".join(details(replace(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, 10), manifest=outer)))
    assert "on test, which every row is in turn: each replicate is scored on a fold of its own, of 5." in lines
    assert "its standard error is that of all rows, by resampling them, and that between 10 replicates, added" in lines
    assert lines.startswith("Every row tests: 5 folds, twice (10 replicates). Each replicate is the whole procedure")


def replicated(tested: int = 90, **changes: Any) -> ReportData:
    """Ten replicates of the outer folds of a table of 90 rows, of which so many test."""
    outer = {"folds": 5, "repeats": 2, "replicates": 10, "tested": {"x": tested}}
    manifest = {"sources": {"x": {"rows": {"train": 81, "validation": 9}}}, "tasks": {}, "outer": outer}
    return replace(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, 10), manifest=manifest, **changes)


def test_where_every_row_tests_the_first_line_says_how() -> None:
    assert "; every row tests: 5 folds, twice (10 replicates). " in verdict(replicated())
    assert "; 45 of 90 rows test: 5 folds, twice (10 replicates). " in verdict(replicated(45))


def test_the_figures_of_a_champion_that_nothing_tests_are_said_to_be_those_of_the_replicates() -> None:
    said = " ".join(details(replicated(champion="default")))
    assert "What is registered is the experiment as written, trained once more on all rows but validation" in said
    assert "its figures are those of the 10 replicates" in said
    assert "What is registered" not in " ".join(details(replicated(champion=None)))  # nothing was


def test_the_page_shows_what_the_champions_own_study_chose() -> None:
    page = render(replicated(champion="default", champion_settings={"all tasks": {"training.learning_rate": 0.0125}}))
    assert "has a study of its own" in page
    assert "<code>training.learning_rate</code></td><td><code>0.0125</code>" in page
    assert "has a study of its own" not in render(replicated(champion="default"))


def test_of_a_network_for_one_task_no_setting_is_shown_that_it_does_not_have() -> None:
    data = replicated(champion="single-task")
    settings = data.evaluation.settings
    alone = (settings["candidate"] == "single-task") & (settings["key"] == "model.sharing.kind")
    assert alone.any()
    data = replace(data, evaluation=replace(data.evaluation, settings=settings[~alone]))
    assert all(row[0].text != "model.sharing.kind" for row in setting_rows(data, changed_only=True))
    shared = replace(data, champion="default")
    assert "model.sharing.kind" in {
        row[0].text for row in setting_rows(replace(shared, given=frozenset(settings["key"])), False)
    }


def test_folds_without_a_class_are_counted_where_a_metric_leaves_them_out() -> None:
    data = replicated()
    scores = data.evaluation.scores.assign(left_out=0)
    scores.loc[scores["task"] == "b", "left_out"] = 3
    said = " ".join(details(replace(data, evaluation=replace(data.evaluation, scores=scores))))
    assert "of b leaves out 3 of 10 folds, which lack a class." in said
    assert "of a leaves out" not in said


def test_the_margin_decides_what_matters() -> None:
    data = tuned_data((0.7, 0.7), (0.7, 0.7), margin=0.5)
    assert data.decision.word == "no_difference"
    assert "margin of 50 %" in verdict(data)


def test_one_task_shares_nothing() -> None:
    line = verdict(report_data({"a": 0.6}, {"a": 0.6}))
    assert line.startswith(
        "There is one task, a: nothing is shared, so sharing can neither help nor hurt. The champion, the experiment "
        "as written, reaches "
    )
    data = report_data({"a": 0.6}, {"a": 0.6})
    assert data.decision.word == "no_claim"
    assert not any(line.startswith("All tasks together") for line in details(data))
    assert 'class="card' not in render(data)  # nothing is compared with itself
    assert 'class="card' in render(report_data({"a": 0.6, "b": 0.7}, {"a": 0.6, "b": 0.7}))


def test_without_baselines_the_answer_is_not_known() -> None:
    data = report_data({"a": 0.6, "b": 0.7}, {})
    assert "not known: no single-task baselines were trained (baselines.single=true trains them)" in verdict(data)
    assert details(data)[-1].startswith("Points are")


def test_a_network_that_shares_nothing_is_not_said_to_share() -> None:
    same = scores(0.7, 0.6)
    apart = evaluation({"default": ("default", same), SINGLE: ("single", same)}, {"model.sharing.kind": "separate"})
    line = verdict(ReportData(name="apart", evaluation=apart))
    assert "nothing is shared (model.sharing=shared shares)" in line


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, 1), "of one seed how much another training would"),
        (tuned_data((0.9, 0.9), (0.6, 0.6), replicates=1), "of one replicate the luck of tuning is not known"),
    ],
)
def test_of_one_replicate_or_seed_nothing_is_claimed(data: ReportData, said: str) -> None:
    assert data.decision.word == "no_claim"
    line = verdict(data)
    assert line.startswith("No claim is made on whether sharing helps here")
    assert said in line
    assert f"({data.replicates_setting}=5 tells)" in line
    assert re.search(DELTA, line)


def unfinished(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([[*row, 0.2, 0.1, 1.0, True] for row in rows], columns=tables.FINISHED)


def test_of_unfinished_networks_nothing_is_claimed_and_they_are_named() -> None:
    data = tuned_data((0.9, 0.9), (0.6, 0.6))
    rows = unfinished(("default", "all"), ("tuned", "all"), (SINGLE, "b"))
    data = replace(data, evaluation=replace(data.evaluation, finished=rows))
    assert "tuned and single b were still improving when training ended (train longer:" in verdict(data)
    assert "Still improving when training ended were default, tuned and single b:" in " ".join(details(data))
    page = render(data)
    assert "<td>single b</td><td>0.2000</td><td>0.1000</td><td>1.0000</td>" in page


def test_an_unfinished_network_that_is_not_compared_is_named_below_only() -> None:
    data = tuned_data((0.9, 0.9), (0.6, 0.6))
    data = replace(data, evaluation=replace(data.evaluation, finished=unfinished(("default", "all"))))
    assert data.decision.word == "helps"
    assert "Still improving when training ended was default:" in " ".join(details(data))


@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed only"), (5, "that between 5 seeds, added")])
def test_the_details_say_what_the_intervals_know(seeds: int, said: str) -> None:
    lines = " ".join(details(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, seeds)))
    assert said in lines
    assert "delta-m" in lines


def test_the_details_mark_a_delta_m_of_unequally_tuned_candidates_and_say_what_tuning_gave() -> None:
    lines = " ".join(details(tuned_data((0.9, 0.6), (0.6, 0.6), alike=False)))
    assert "(tuned against untuned baselines)" in lines
    assert re.search(rf"Tuning, against the network as written: \+\d+\.\d\d points on a {INTERVAL}", lines)


def test_what_was_left_out_is_said_first_then_the_recipe_and_the_champions_choice() -> None:
    more: dict[str, Any] = {"recipe": "Both were tuned.", "champion": "default", "champion_why": "It is the simpler."}
    data = report_data({"a": 0.7, "b": 0.6}, {}, left_out=("tune was left out because of this.",), **more)
    assert details(data)[:3] == ["tune was left out because of this.", "Both were tuned.", "It is the simpler."]


@pytest.mark.parametrize(
    ("tuned", "single", "champion", "said"),
    [
        (0.9, 0.6, SINGLE, "chose the single-task networks as champion, although by test sharing helps"),
        (0.6, 0.9, "tuned", "chose the tuned network, which shares, as champion, although by test sharing hurts"),
        (0.9, 0.6, "tuned", ""),
        (0.6, 0.9, SINGLE, ""),
    ],
)
def test_a_champion_against_the_first_line_is_told_of(tuned: float, single: float, champion: str, said: str) -> None:
    data = tuned_data((tuned, tuned), (single, single), champion=champion)
    lines = " ".join(details(data))
    assert said in lines
    assert ("although by test" in lines) == bool(said)
    called = "a network for each task" if champion == SINGLE else "the tuned network"
    assert f"the champion, {called}, reaches" in verdict(data)


def with_constant(data: ReportData, accuracy: float, answer: str = "no") -> ReportData:
    """With a constant prediction of an accuracy on task b."""
    networks = {"default": scores(0.7, 0.6), SINGLE: scores(0.8, 0.6)}
    constant = {CONSTANT: {"b": drawn(accuracy, 1, seed=9, source="b")}}
    found = replace(
        data.evaluation,
        references=tables.scores_table(constant),
        constants=pd.DataFrame([["b", answer]], columns=tables.CONSTANTS),
        constant_differences=tables.constant_differences_table(networks, constant),
    )
    return replace(data, evaluation=found)


def test_where_no_network_beats_the_constant_prediction_it_is_said() -> None:
    data = report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6})
    assert "On b no network beats always predicting 'no'." in details(with_constant(data, 0.62))
    assert not [line for line in details(with_constant(data, 0.35)) if "always predicting" in line]
    page = re.sub(r"<script.*?</script>", "", render(with_constant(data, 0.62)), flags=re.DOTALL)
    assert "no network beats always predicting" in page
    assert "always the same answer" in page


def test_how_far_networks_ended_apart_and_the_luck_of_winners_are_on_the_page() -> None:
    data = tuned_data((0.9, 0.9), (0.6, 0.6), optimism={"tuned": 0.0123})
    values = data.evaluation.seeds.set_index(["candidate", "task", "metric"])["value"]
    assert deviations(data).loc["tuned", "a"] == pytest.approx(values.loc["tuned", "a", "accuracy"].std(ddof=1))
    page = render(data)
    assert "How far the networks of each candidate ended apart" in page
    assert "<td>+0.0123</td>" in page


def test_balanced_accuracy_stands_beside_accuracy() -> None:
    made = {
        name: {task: replace(it, metrics=it.metrics | {"balanced_accuracy": it.metrics["accuracy"] - 0.125})
               for task, it in scores(0.7, 0.6).items()}
        for name in ("default", SINGLE)
    }  # fmt: skip
    found = evaluation({"default": ("default", made["default"]), SINGLE: ("single", made[SINGLE])})
    shown = 100 * (made["default"]["a"].metrics["accuracy"].mean() - 0.125)
    assert f"balanced {shown:.2f} %" in render(ReportData(name="made", evaluation=found))


def test_many_tasks_are_not_all_named() -> None:
    tasks = {f"t{n}": 0.95 for n in range(7)}
    line = verdict(report_data(tasks, dict.fromkeys(tasks, 0.5)))
    assert line.count("and 3 more tasks") == 2
