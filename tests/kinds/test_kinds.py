"""A kind of task is defined in one place, and all that it names is there."""

import subprocess
import sys

import pytest

from pipeline.config.tasks import TaskSettings
from pipeline.kinds import kind_of
from tests.conftest import REPOSITORY

KINDS = list(TaskSettings.choices)
CONCERNS = ("tally", "scorer", "decision", "constant", "gate")


@pytest.mark.parametrize("name", KINDS)
def test_all_that_a_kind_names_is_there(name: str) -> None:
    kind = kind_of(name)
    for path in (*(getattr(kind, concern) for concern in CONCERNS), *kind.losses.values()):
        assert callable(kind.load(path))


@pytest.mark.parametrize("name", KINDS)
def test_an_experiment_knows_the_losses_of_a_kind(name: str) -> None:
    assert set(TaskSettings.choice(name).losses) == set(kind_of(name).losses)


@pytest.mark.parametrize("name", KINDS)
def test_training_measures_the_metric_that_decides(name: str) -> None:
    kind = kind_of(name)
    assert kind.primary in kind.load(kind.tally).metrics


def test_every_file_of_a_kind_is_a_kind_that_experiments_know() -> None:
    files = {path.stem for path in (REPOSITORY / "pipeline" / "kinds").glob("*.py")}
    assert files - {"__init__", "base"} == set(KINDS)


def test_only_a_kinds_own_file_its_settings_and_what_looks_at_data_call_it_by_its_name() -> None:
    allowed = {"config/tasks.py", "data/sources/looked.py", "testing/__init__.py"}
    named = {f'"{name}"' for name in KINDS}
    folder = REPOSITORY / "pipeline"
    found = {
        str(path.relative_to(folder)) for path in folder.rglob("*.py") if any(it in path.read_text() for it in named)
    }
    assert {it for it in found - allowed if not it.startswith(("kinds/", "drafts/"))} == set()


def test_kinds_import_nothing_heavy() -> None:
    code = (
        "import sys; from pipeline.kinds import kind_of\n"
        f"[kind_of(name) for name in {KINDS}]\n"
        "print({'torch', 'numpy', 'pandas', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
