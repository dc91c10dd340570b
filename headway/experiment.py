"""An experiment from Python: what `headway run NAME` and its other commands do, in this process."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.results import Result
from headway.session import borrowed, carried_out
from headway.written import Targets, written
from pipeline.commands.options import as_request
from pipeline.config import load, project_folder, public
from pipeline.config.load import find
from pipeline.errors import Failure, UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.commands.options import Request


class Experiment:
    """An experiment of a project, and settings over those of its file. It does not change: `set` makes another.

    From a table and what to predict, it writes the table and a draft into the project, as `headway init` does; from
    keyword arguments alone, each a part of the file, it writes these. `headway run NAME` in a shell does the same then,
    and answers from the same runs.

    >>> import tempfile
    >>> import headway
    >>> folder = tempfile.TemporaryDirectory()
    >>> tasks = {"digit": {"kind": "multiclass", "source": "digits"}, "parity": {"kind": "binary", "source": "digits"}}
    >>> small = headway.Experiment(name="small", project=folder.name, tasks=tasks, training={"epochs": 2})
    >>> small.set({"training.seeds": 3}).configuration["training"]["seeds"]
    3
    >>> list(headway.Experiment.load("small", project=folder.name).configuration["tasks"])
    ['digit', 'parity']
    >>> folder.cleanup()

    Args:
        table: A frame, a row an example; or the path of a file or folder as `headway init` takes it.
        targets: Columns to predict; all others are inputs, as far as they are fit for it.
        name: Of the experiment: letters, digits, `_` and `-`.
        project: The project folder, made if it is not there. By default the nearest one upward that has MLproject, else
            the working directory.
        settings: Values by dotted key over those of the file, as `--set` gives them.
        **parts: Parts of the experiment's file, such as `training={"seeds": 3}`; they go into the file.

    Attributes:
        name: Of the experiment.
        project: The project folder.
        file: The experiment's file.
        settings: Values by dotted key over those of the file.

    Raises:
        UserError: The table, targets, a part or a setting is wrong, or the project has another experiment of that name.
        Failure: A file cannot be written.
    """

    name: str
    project: Path
    file: Path
    settings: Mapping[str, Any]

    def __init__(
        self,
        table: "pd.DataFrame | str | Path | None" = None,
        /,
        targets: Targets = (),
        *,
        name: str = "mine",
        project: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        **parts: Any,
    ) -> None:
        folder = _project(project)
        with borrowed():
            file = written(table, targets, name, folder, parts)
        self._become(name, folder, file, settings or {})

    @classmethod
    def load(
        cls, name_or_file: str | Path, *, project: str | Path | None = None, settings: Mapping[str, Any] | None = None
    ) -> "Experiment":
        """An experiment that is there: of the project, one that ships, or a file.

        Args:
            name_or_file: As `headway run` takes it.
            project: See `Experiment`.
            settings: See `Experiment`.

        Raises:
            UserError: There is none, or it or a setting is wrong.
        """
        folder = _project(project)
        self = object.__new__(cls)
        self._become(str(name_or_file), folder, find(str(name_or_file), folder), settings or {})
        return self

    def set(self, settings: Mapping[str, Any] | None = None, /, **by_key: Any) -> "Experiment":
        """The same experiment with more settings, by dotted key: `set({"training.epochs": 5})`.

        Raises:
            UserError: A setting is wrong.
        """
        other = object.__new__(type(self))
        other._become(self._asked, self.project, self.file, {**self.settings, **(settings or {}), **by_key})
        return other

    @property
    def configuration(self) -> dict[str, Any]:
        """All settings, resolved, as `headway show` prints them; without passwords."""
        return public(self._loaded)

    def prepare(self, **options: Any) -> Result:
        """Split the data and write prepared arrays; options and errors as of `run`."""
        return self._done("prepare", options)

    def train(self, **options: Any) -> Result:
        """Train the experiment as written, without a search; options and errors as of `run`."""
        return self._done("train", options)

    def tune(self, arm: str = "", **options: Any) -> Result:
        """Run the study; options and errors as of `run`.

        Args:
            arm: Whose study; by default the shared network's.
            **options: See `run`.
        """
        return self._done("tune", options | {"arm": arm})

    def evaluate(self, **options: Any) -> Result:
        """Open the test split once for all candidates, and train what is missing; options and errors as of `run`."""
        return self._done("evaluate", options)

    def run(
        self,
        *,
        trials: int | str = "",
        budget: str = "",
        resume: bool = False,
        force: Iterable[str] = (),
        promote: bool = False,
        quiet: bool = False,
    ) -> Result:
        """Do the whole job: prepare, train, tune, select, evaluate and report. What was done before is not done again.

        Args:
            trials: Of the study, in all.
            budget: Plan the trials to fit, such as `10m`.
            resume: Go on with what was interrupted, each step in its own run.
            force: Steps to do whatever is cached, and with them what depends on them.
            promote: Make the new model champion without comparing.
            quiet: No progress.

        Raises:
            UserError: The data or a setting is wrong.
            Failure: A step failed.
            KeyboardInterrupt: It was interrupted; all runs are ended.
        """
        given = {"trials": trials, "budget": budget, "resume": resume, "force": force, "promote": promote}
        return self._done("run", given | {"quiet": quiet})

    def compare(self, methods: str = "", seeds: int | str = "", trials: int | str = "", **options: Any) -> Result:
        """Compare ways to choose the task weights; options and errors as of `run`.

        Args:
            methods: `all`, or names with commas, see `headway show --balancers`.
            seeds: Replicates of each arm; by default the study's.
            trials: Of each arm; by default the study's.
            **options: resume, force and quiet, see `run`.
        """
        own = {"methods": methods, "compared_seeds": seeds, "compared_trials": trials}
        return self._done("compare", options | own)

    def affinity(self, networks: int | str = "", **options: Any) -> Result:
        """Find which tasks should share a network; options and errors as of `run`.

        Args:
            networks: Into how many the tasks may be grouped, at most.
            **options: resume, force and quiet, see `run`.
        """
        return self._done("affinity", options | {"networks": networks})

    def explain(self, **options: Any) -> Result:
        """Show what the network looks at for each task; options and errors as of `run`."""
        return self._done("explain", options)

    def __repr__(self) -> str:
        over = f", settings={dict(self.settings)}" if self.settings else ""
        return f"headway.Experiment.load({self._asked!r}, project={str(self.project)!r}{over})"

    def _become(self, asked: str, project: Path, file: Path, settings: Mapping[str, Any]) -> None:
        """Check that it can be read, and keep what names it."""
        self._asked, self.project, self.file = asked, project, file
        self.settings = settings
        self.settings = self._request({}).values
        self._loaded = load(asked, self.settings, project)
        self.name = self._loaded.name

    def _done(self, command: str, options: Mapping[str, Any]) -> Result:
        context, found = carried_out(command, self._request(options), self.project)
        return Result.of(command, context, found)

    def _request(self, options: Mapping[str, Any]) -> "Request":
        """What the command line would ask for."""
        known = {"trials", "budget", "resume", "force", "promote", "quiet", "arm", *_OF_STUDIES}
        if unknown := sorted(options.keys() - known):
            raise UserError(f"no option '{unknown[0]}': a setting is given by set({{'{unknown[0]}': ...}})")
        words = {name: str(it) for name, it in options.items() if not isinstance(it, bool) and name != "force"}
        force = options.get("force", ())
        asked = {
            "experiment": self._asked,
            "settings": [f"{key}={_json(value)}" for key, value in self.settings.items()],
            "extra": (),
            "quiet": False,
            "json": False,
            **options,
            **words,
            "force": (force,) if isinstance(force, str) else tuple(force),
        }
        return as_request(asked)


_OF_STUDIES = ("methods", "compared_seeds", "compared_trials", "networks")


def _project(folder: str | Path | None) -> Path:
    """The project folder; one that is named and not there is made, with the mark of a project.

    Raises:
        Failure: It cannot be made.
    """
    if folder is None:
        return project_folder(begin=True)
    from pipeline.commands.new import project_text
    from pipeline.config.project import MARKER
    from pipeline.config.tasks import plain

    project = Path(folder).expanduser().resolve()
    try:
        if not project.exists():
            project.mkdir(parents=True)
            name = plain(project.name, "mine")
            (project / MARKER).write_text(project_text(name, {}, name), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{project}: cannot be written ({error.strerror})") from None
    if not project.is_dir():
        raise UserError(f"project {project} is no folder")
    return project


def _json(value: Any) -> str:
    """A value as `--set` takes it: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, paths and sets as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
