from functools import partial

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from pipeline.tuning.samplers import sampler

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 1.0),
    "y": FloatDistribution(1e-4, 1.0, log=True),
    "z": CategoricalDistribution(["a", "b"]),
}
KINDS = ["tpe", "gp", "random", "qmc"]


def history(complete: int, running: int) -> Study:
    """A study whose objective is highest at x = 0.5."""
    study = optuna.create_study(direction="maximize")
    for number in range(complete + running):
        params = {"x": (number * 0.37) % 1.0, "y": 0.01 * (number + 1), "z": "ab"[number % 2]}
        value = -abs(params["x"] - 0.5) if number < complete else None
        state = TrialState.RUNNING if value is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, params=params, distributions=SPACE, value=value))
    return study


def proposed(kind: str, study: Study, seed: int = 0) -> dict[str, object]:
    study.sampler = sampler(kind, seed, 0, len(study.trials))
    return study.ask(SPACE).params


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("complete", [0, 4, 12])
def test_a_proposal_is_a_function_of_seed_number_and_history(kind: str, complete: int) -> None:
    first = proposed(kind, history(complete, 3))
    assert proposed(kind, history(complete, 3)) == first
    assert proposed(kind, history(complete, 3), seed=1) != first
    assert proposed(kind, history(complete, 4)) != first


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_of_one_batch_differ(kind: str) -> None:
    study = history(12, 0)
    batch = [tuple(proposed(kind, study).values()) for _ in range(6)]
    assert len(set(batch)) == 6


def test_tpe_and_gp_propose_near_the_best_once_they_have_seen_enough() -> None:
    for kind in ("tpe", "gp"):
        study = history(30, 0)
        near = [abs(float(str(proposed(kind, study)["x"])) - 0.5) < 0.25 for _ in range(8)]
        assert sum(near) >= 6, kind


def test_qmc_spreads_evenly_whatever_became_of_earlier_trials() -> None:
    study = history(1, 0)
    points = [float(str(proposed("qmc", study)["x"])) for _ in range(15)]
    halves = [sum(low <= point < low + 0.25 for point in points) for low in (0.0, 0.25, 0.5, 0.75)]
    assert all(3 <= count <= 4 for count in halves)


def test_tpe_models_together_what_is_searched_together() -> None:
    study = history(12, 0)
    both = SPACE | {"u": FloatDistribution(0.0, 1.0), "v": FloatDistribution(0.0, 1.0)}
    study.add_trial(create_trial(params={"x": 0.1, "u": 0.2, "v": 0.3}, distributions=_some(both, "xuv"), value=0.0))
    last = study.trials[-1]
    assert sampler("tpe", 0, 0, 13, both).infer_relative_search_space(study, last) == both


@pytest.mark.parametrize(("complete", "running"), [(0, 0), (0, 2), (12, 0), (30, 4)])
def test_tpe_proposes_as_optunas_own_does_where_all_trials_search_the_same(complete: int, running: int) -> None:
    ours = sampler("tpe", 0, 0, 13)
    study = history(complete, running)
    study.sampler = ours
    found = study.ask(SPACE).params
    theirs = sampler("tpe", 0, 0, 13)
    theirs.infer_relative_search_space = partial(TPESampler.infer_relative_search_space, theirs)  # type: ignore[method-assign, arg-type]
    study = history(complete, running)
    study.sampler = theirs
    assert study.ask(SPACE).params == found


@pytest.mark.parametrize("kind", KINDS)
def test_replicates_draw_apart(kind: str) -> None:
    both = [sampler(kind, 0, replicate, 3) for replicate in (0, 1)]
    studies = [history(12, 0), history(12, 0)]
    for study, study.sampler in zip(studies, both, strict=True):
        assert study.sampler in both
    assert studies[0].ask(SPACE).params != studies[1].ask(SPACE).params


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(ValueError, match="no sampler 'cma'"):
        sampler("cma", 0, 0, 0)


def _some(space: dict[str, BaseDistribution], names: str) -> dict[str, BaseDistribution]:
    return {name: space[name] for name in names}
