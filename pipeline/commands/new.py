"""`headway new`: make a project, with an experiment and its data to begin with."""

import csv
import gzip
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from pipeline.config import shipped_folder
from pipeline.config.project import MARKER
from pipeline.config.tasks import plain
from pipeline.errors import Failure, UserError
from pipeline.printable import echo, printable
from pipeline.steps.graph import STEPS, WHOLE
from pipeline.studies import STUDIES

_NAME = "people"
_ROWS = 2_000
_COLUMNS = {
    "age": "age",
    "workclass": "workclass",
    "occupation": "occupation",
    "hours-per-week": "hours_per_week",
    "capital-gain": "capital_gain",
    "native-country": "native_country",
    "income-per-year": "income",
    "education-num": "education_years",
}
"""Of the census that ships, by what the project calls them."""

_EXPERIMENT = """\
# Two questions about a person: earns more than 50,000 dollars a year? How many years of education?
# Does one network for both do better than a network for each? `headway run people` answers that.
name: people
sources:
  people:
    kind: table
    path: data/people.csv            # from the project's folder; also Parquet, JSON lines, images, texts
    missing: ["?"]                   # what stands for a missing value
    inputs:                          # columns to predict from
      age: numeric
      workclass: categorical
      occupation: categorical
      hours_per_week: numeric
      capital_gain: numeric
      native_country: categorical
tasks:                               # columns to predict
  income: {kind: binary, source: people}
  education_years: {kind: regression, source: people}
data: {test: 0.2}                    # a fifth of the rows is kept for the test
model: {trunk: {kind: tabular, widths: [64], dropout: 0.1}}
training: {batch_size: 64, seeds: 3}
tuning: {trials: 12, batch: 6}       # how many networks the search tries, and how many side by side
"""

_README = """\
# {title}

A project of Headway: multi-task learning, tracked from data to report.

```sh
headway list                         # the experiments: yours, and those that ship
headway run people                   # prepare, train, tune, evaluate, report
headway open people                  # the report in the browser
mlflow ui --backend-store-uri sqlite:///mlflow.db    # the runs, at http://127.0.0.1:5000
headway predict --model models:/people@champion --input data/people.csv --output scored.csv
headway serve models:/people@champion
headway init my.csv --targets price,sold    # an experiment from a table of your own
```

| here | is |
| --- | --- |
| `experiments/` | one YAML file an experiment; `people.yaml` is the first |
| `data/people.csv` | its data, see below |
| `MLproject`, `python_env.yaml` | what `mlflow run . -P experiment=people` reads; the first also marks the project |
| `mlflow.db`, `mlruns/` | runs and models; with the next three made by `headway`, and not for git |
| `optuna.db` | studies |
| `.headway/`, `reports/` | outputs of steps, and the reports among them |

`data/people.csv` holds {rows:,} rows of the 1994 US census: the first of UCI's "Adult", some of its columns
(B. Becker and R. Kohavi, 1996, doi:10.24432/C5XW20, CC BY 4.0).
"""

_IGNORED = ".headway/\nmlflow.db*\nmlruns/\noptuna.db*\n/reports/\n__pycache__/\n"


def new(folder: Path, as_json: bool) -> None:
    """Write a project into a folder that is new or empty.

    Raises:
        UserError: The folder is not empty, or there is a file of that name.
        Failure: It cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file: give the name of a folder that is new or empty")
        if folder.is_dir() and any(folder.iterdir()):
            what = f"has a {MARKER} already" if (folder / MARKER).exists() else "is not empty"
            raise UserError(f"{folder} {what}: give a folder that is new or empty")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _files(folder.resolve().name).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{folder}: cannot be written ({error.strerror})") from None
    if as_json:
        print(json.dumps({"project": str(folder.resolve()), "experiment": _NAME}))
        return
    echo(f"{folder} is a project with one experiment, {_NAME}; go on with: cd {folder} && headway run {_NAME}")


def _files(title: str) -> Mapping[str, str]:
    """What a project begins with, by path; the mark of a project comes last."""
    return {
        ".gitignore": _IGNORED,
        "README.md": _README.format(title=printable(title), rows=_ROWS),
        "data/people.csv": _people(),
        f"experiments/{_NAME}.yaml": _EXPERIMENT,
        "python_env.yaml": _environment(),
        MARKER: project_text(plain(title, "mine"), {}, _NAME),
    }


def project_text(name: str, defaults: Mapping[str, str], otherwise: str) -> str:
    """The text of an MLproject: an entry point for each command that does steps.

    Args:
        name: Of the project.
        defaults: The experiment that an entry point takes by default, by command.
        otherwise: That of all others.
    """
    commands = [WHOLE, *(name for name, about in STEPS.items() if about), *STUDIES]
    points = "".join(
        f"  {point}:\n"
        "    parameters:\n"
        f"      experiment: {{type: string, default: {defaults.get(command, otherwise)}}}\n"
        f'    command: "headway {command} {{experiment}}"\n'
        for point, command in [("main", WHOLE), *((command, command) for command in commands)]
    )
    return (
        f"name: {name}\n\npython_env: python_env.yaml\n\n"
        "# Each takes any dotted key as well: mlflow run . -e train -P training.epochs=3\n"
        f"entry_points:\n{points}"
    )


def _environment() -> str:
    """The Python environment of the project: Headway as it is installed here, which no registry has."""
    return (
        f'python: "{sys.version_info.major}.{sys.version_info.minor}"\n'
        "build_dependencies:\n  - pip\n  - setuptools>=77\n"
        "# Where headway was installed from; elsewhere, name the file or folder there.\n"
        f"dependencies:\n  - {_installed_from()}\n"
    )


def _installed_from() -> str:
    """What pip takes to install Headway again."""
    try:
        found = importlib.metadata.distribution("headway")
    except importlib.metadata.PackageNotFoundError:
        return "headway"
    told = json.loads(found.read_text("direct_url.json") or "{}")
    if told.get("dir_info", {}).get("editable"):
        return f"-e {told['url'].removeprefix('file://')}"
    return f'"headway @ {told["url"]}"' if "url" in told else f"headway=={found.version}"


def _people() -> str:
    """The first rows of the census, with fewer columns."""
    with gzip.open(shipped_folder() / "data" / "census" / "adult.csv.gz", "rt", encoding="utf-8", newline="") as file:
        lines: Iterable[dict[str, str]] = (row for row, _ in zip(csv.DictReader(file), range(_ROWS), strict=False))
        text = StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(_COLUMNS.values())
        table.writerows([row[name] for name in _COLUMNS] for row in lines)
    return text.getvalue()
