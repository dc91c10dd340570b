"""A mirror proposes what a study with copies of the same trials would."""

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.tuning.in_memory import study_of
from pipeline.tuning.samplers import sampler

SPACE = {"a": FloatDistribution(0.0, 1.0), "b": IntDistribution(1, 64, log=True)}


def trials(count: int, running: int) -> list[FrozenTrial]:
    """Every third number, as of one replicate of three; the last ones are still in training."""
    found = []
    for place in range(count):
        params = {"a": (place * 7 % count) / count, "b": 1 + place * 5 % 60}
        done = place < count - running
        it = create_trial(
            state=TrialState.COMPLETE if done else TrialState.RUNNING,
            params=params, distributions=SPACE, value=(params["a"] - 0.3) ** 2 if done else None,
        )  # fmt: skip
        it.number = 3 * place + 1
        found.append(it)
    return found


@pytest.mark.parametrize("kind", ["tpe", "gp", "random", "qmc"])
@pytest.mark.parametrize(("count", "running"), [(0, 0), (12, 0), (16, 4)])
def test_it_proposes_what_a_study_of_copies_does(kind: str, count: int, running: int) -> None:
    seen = trials(count, running)
    copies = optuna.create_study(direction="maximize")
    copies.add_trials(seen)
    proposed = []
    for study in (copies, study_of(seen)):
        study.sampler = sampler(kind, 3, 1, count)
        proposed.append(study.ask(SPACE).params)
    assert proposed[0] == proposed[1]


def test_trials_are_read_where_they_are_and_stay_as_they_are() -> None:
    seen = trials(12, 2)
    study = study_of(seen)
    asked = study.ask(SPACE)
    assert asked.number == seen[-1].number + 1
    assert [it.number for it in study.get_trials(deepcopy=False)] == [*(it.number for it in seen), asked.number]
    assert study.get_trials(deepcopy=False)[0] is seen[0]
    assert len(seen) == 12
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 10
