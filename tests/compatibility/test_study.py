"""A study that an earlier version left unfinished goes on, or is refused in one line, and is not lost."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline.tracking.tracker import Tracker
from tests.conftest import call_headway

from .make import STUDY
from .unpacked import unpacked

REFUSED = "  a new study, since "


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return unpacked("study", tmp_path, monkeypatch)


def studies(project: Path) -> dict[str, list[FrozenTrial]]:
    url = f"sqlite:///{project / 'optuna.db'}"
    return {it.study_name: it.trials for it in optuna.get_all_study_summaries(url) for it in [load(url, it.study_name)]}


def load(url: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


def test_it_goes_on_or_is_refused_in_one_line(project: Path) -> None:
    ((name, before),) = studies(project).items()
    assert [trial.state for trial in before] == [TrialState.COMPLETE] * 2 + [TrialState.RUNNING] * 2
    runs = {run.info.run_id for run in Tracker(project, "debug").runs()}
    told = call_headway(*STUDY, "--resume")
    after = studies(project)
    assert after[name][:2] == before[:2]
    assert runs <= {run.info.run_id for run in Tracker(project, "debug").runs()}
    goes_on = all(trial.state.is_finished() for trial in after[name]) and len(after[name]) == 6
    refused = [line for line in told.out.splitlines() + told.err.splitlines() if line.startswith(REFUSED)]
    if goes_on:
        assert (told.code, told.err, refused, set(after)) == (0, "", [], {name})
        for was, now in zip(before, after[name], strict=False):
            assert was.params == now.params
            assert was.intermediate_values.items() <= now.intermediate_values.items()
    else:
        assert after[name] == before
        assert len(refused or told.err.splitlines()) == 1
    assert "Traceback" not in told.out + told.err


def test_its_trial_is_rebuilt(project: Path) -> None:
    (trial,) = (run for run in Tracker(project, "debug").runs() if run.info.run_name == "trial 0")
    told = call_headway("rerun", trial.info.run_id)
    assert told.err == ""
    # Bitwise on the processor of the recorded commit.
    assert "equal" in told.out or "first differs at look" in told.out


def test_its_trials_are_compared(project: Path) -> None:
    ids = [run.info.run_id for run in Tracker(project, "debug").runs() if run.info.run_name.startswith("trial ")]
    told = call_headway("diff", *ids)
    assert (told.code, told.err) == (0, "")
    assert "training.learning_rate" in told.out or "configuration: equal" in told.out
