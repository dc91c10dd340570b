"""Completion in bash, zsh and fish: `headway completion SHELL` prints a script that asks the program what may follow.

The program answers within some tenths of a second, so it reads files and sqlite, and imports neither mlflow nor optuna.
"""

import csv
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete, add_completion_class

from pipeline.commands.help import COMPLETE, PROGRAM
from pipeline.errors import UserError
from pipeline.steps.graph import STEPS
from pipeline.studies import STUDIES

if TYPE_CHECKING:
    from pipeline.config import Experiment

_OPEN = "open"  # the type of a completion that goes on, so that no space follows
_MOST_RUNS = 50
_BUSY_S = 0.2
_TUNED = {"the shared network": "tuned"}  # as `--arm` calls what a study's attribute calls so
_ASSIGNMENT = re.compile(r"\w+=")
_SPECIAL = re.compile(r"[^\w.,:/=@%+-]")
_MOST_LETTERS = 100_000  # of a file's first line that names columns

_BASH = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            open) COMPREPLY+=("$value"); compopt -o nospace ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a response plain described unfinished
    local type key text
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for type key text in ${response}; do
        case $type in
            plain) if [[ $text == _ ]]; then plain+=("$key"); else described+=("$key:$text"); fi ;;
            open) unfinished+=("$key") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    (( $#unfinished )) && compadd -S '' -U -V unsorted -a unfinished
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \\
        COMP_CWORD=(commandline -t) %(prog_name)s 2>/dev/null)
    for completion in $response
        set -l parts (string split -m 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain open
                echo $parts[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Bash(BashComplete):
    """Bash, which takes `=`, `:` and `@` for ends of words: what stands before the last of them is left as it is."""

    source_template = _BASH
    before, quoted = "", False

    @staticmethod
    def _check_version() -> None:
        """No question to the bash of this machine: the script may be meant for another."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one at it."""
        line = os.environ["COMP_WORDS"]
        words = click.shell_completion.split_arg_string(line)
        incomplete = "" if line[-1:].isspace() or not words else words.pop()
        while words and _ASSIGNMENT.match(words[0]):
            del words[0]
        self.quoted = _in_quotes(line)
        ends = set("=:@") & set(os.environ.get("COMP_BREAKS", "=:@"))
        # Readline counts an @ to the word that it begins.
        self.before = incomplete[: max((incomplete.rfind(it) + (it != "@") for it in ends), default=0)]
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """A line with the type and the value, its special letters escaped as bash reads them."""
        value = item.value.removeprefix(self.before)
        return f"{item.type},{value if self.quoted else _SPECIAL.sub(_escaped, value)}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _in_quotes(line: str) -> bool:
    r"""Whether a quote is open at the end of a command line.

    >>> _in_quotes("a 'b"), _in_quotes("a 'b' c"), _in_quotes("a\\'b")
    (True, False, False)
    """
    return bool(re.match(r"""^(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^'"\\])*+['"]""", line))


class _Zsh(ZshComplete):
    source_template = _ZSH


class _Fish(FishComplete):
    source_template = _FISH


_SHELLS = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def script(shell: str, command: click.Command) -> str:
    """What a shell reads to complete this program's command lines."""
    return _SHELLS[shell](command, {}, PROGRAM, COMPLETE).source()


def prepare() -> None:
    """Answer shells by the classes above; called where one asks."""
    for name, it in _SHELLS.items():
        add_completion_class(it, name)


def experiments(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The project's experiments and those that ship; files, where a path is begun."""
    if "/" in incomplete or incomplete.startswith((".", "~")):
        return [CompletionItem(incomplete, type="file")]
    return _beginning(incomplete, {name: _purpose(path) for name, path in _files().items()})


def steps(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The steps and studies."""
    return _beginning(incomplete, {name: about for name, about in {**STEPS, **STUDIES}.items() if about})


def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Short IDs of the newest runs, where the store is a sqlite file."""
    rows = _rows(
        "SELECT run_uuid, name, start_time FROM runs WHERE lifecycle_stage = 'active' AND run_uuid LIKE ? || '%' "
        "ORDER BY start_time DESC LIMIT ?",
        (incomplete, _MOST_RUNS),
    )
    length = max(8, len(incomplete))
    return _beginning(incomplete, {run[:length]: f"{name}, {_time(started)}" for run, name, started in rows})


def reports(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Experiments, and short IDs of runs."""
    return [*experiments(ctx, parameter, incomplete), *runs(ctx, parameter, incomplete)]


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Addresses of registered models, where the registry is a sqlite file."""
    aliases = _rows("SELECT name, alias, version FROM registered_model_aliases ORDER BY name, alias", ())
    versions = _rows("SELECT name, version FROM model_versions ORDER BY name, version DESC", ())
    found = {f"models:/{name}@{alias}": f"version {version}" for name, alias, version in aliases}
    return _beginning(incomplete, found | {f"models:/{name}/{version}": "" for name, version in versions})


def methods(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Balancing methods, after a comma one more."""
    from pipeline.config.balancing import Balancing

    before, comma, _last = incomplete.rpartition(",")
    names = {f"{before}{comma}{name}": it.summary() for name, it in Balancing.choices.items()}
    return _beginning(incomplete, names | ({} if comma else {"all": "every method that fits"}))


def arms(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The arms of the experiment's job, whose studies are tuned."""
    from pipeline.steps.candidates import job_arms

    experiment = _loaded(ctx)
    return _beginning(incomplete, {it.title: "" for it in job_arms(experiment)} if experiment else {})


def studied(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Arms that have a study of the experiment, where the storage is a sqlite file; else those of its job."""
    experiment = _loaded(ctx)
    rows = _attributes(ctx.params.get("storage"), experiment) if experiment else []
    names = [arm for name, arm in rows if experiment and name == experiment.name]
    return _beginning(incomplete, dict.fromkeys(names, "")) or arms(ctx, parameter, incomplete)


def sources(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The sources that the experiment's tasks read."""
    experiment = _loaded(ctx)
    return _beginning(incomplete, dict.fromkeys(experiment.source_names, "") if experiment else {})


def targets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Columns of the data to draft from, after a comma one more, and kinds after a colon."""
    from pipeline.config.tasks import TaskSettings

    head, colon, _kind = incomplete.rpartition(":")
    if colon and "," not in _kind:
        return _beginning(incomplete, {f"{head}:{it}": "" for it in TaskSettings.choices})
    return _listed(incomplete, _columns(_argument(ctx, "data")))


def kept(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Columns of the input, after a comma one more."""
    return _listed(incomplete, _columns(ctx.params.get("source")))


def addresses(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """That of the cluster that Ray finds by itself."""
    return _beginning(incomplete, {"auto": "the cluster that runs on this machine"})


def folders(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders, which the shell completes; the addresses of stores are not known."""
    return [CompletionItem(incomplete, type="dir")]


def questions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `headway runs` may be asked."""
    from pipeline.steps.runs.questions import QUESTIONS

    return _beginning(incomplete, {name: it.about for name, it in QUESTIONS.items()})


def assignments(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """KEY=VALUE: settings of the experiment, and values where they are a choice."""
    known = _settings(ctx)
    key, equals, _value = incomplete.partition("=")
    if equals:
        return _beginning(incomplete, dict.fromkeys((f"{key}={it}" for it in known.get(key, ())), ""))
    return [CompletionItem(f"{it}=", type=_OPEN) for it in known if it.startswith(key)]


def dotted(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Settings as options of their own, once a key is begun, and the values of one."""
    if incomplete.startswith("--"):
        key = incomplete.removeprefix("--")
        return [CompletionItem(f"--{it}") for it in _settings(ctx) if it.startswith(key)] if "." in key else []
    given = (ctx.params.get("extra") or ("",))[-1]
    return _beginning(incomplete, dict.fromkeys(_settings(ctx).get(given.removeprefix("--"), ()), ""))


def _beginning(incomplete: str, texts: Mapping[str, str]) -> list[CompletionItem]:
    """The names that begin so, each with what is said of it."""
    return [CompletionItem(name, help=text or None) for name, text in texts.items() if name.startswith(incomplete)]


def _project() -> Path | None:
    from pipeline.config import project_folder

    try:
        return project_folder(begin=True)
    except UserError:  # a broken MLproject: whoever runs the command is told
        return None


def _files() -> Mapping[str, Path]:
    from pipeline.config import experiment_files

    return experiment_files(_project())


def _purpose(file: Path) -> str:
    """The first line of a file, where it is a comment."""
    with suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline(200)
        return first.removeprefix("#").strip() if first.startswith("#") else ""
    return ""


def _listed(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    """Names, of a list whose last one is begun, those left out that it has already."""
    before, comma, _last = incomplete.rpartition(",")
    given = {it.partition(":")[0] for it in before.split(",")}
    return _beginning(incomplete, {f"{before}{comma}{it}": "" for it in names if it not in given})


def _columns(given: object) -> list[str]:
    """The columns of a table, by its first line or its schema, without names that a list has to quote."""
    file = Path(str(given or ""))
    found: list[str] = []
    with suppress(OSError, ValueError, UserError):  # who runs the command is told
        if file.suffix.lower() == ".parquet":
            from pyarrow import parquet

            found = parquet.read_schema(file).names
        elif file.is_file():
            from pipeline.data.tables.csv import guess_separator

            with file.open(encoding="utf-8-sig") as lines:
                first = lines.readline(_MOST_LETTERS)
            is_json = file.suffix.lower() in (".json", ".jsonl")
            found = [*json.loads(first)] if is_json else next(csv.reader([first], delimiter=guess_separator(file)))
    return [it for it in found if it and not set(it) & set(',:=+"\n')]


def _settings(ctx: click.Context) -> Mapping[str, tuple[str, ...]]:
    """The settings of the experiment that is given, with what is set so far; or of any."""
    from pipeline.commands.settings import settings

    return settings(_loaded(ctx))


def _loaded(ctx: click.Context) -> "Experiment | None":
    """The experiment that is given, with what is set so far, or as its file has it; None where it cannot be read."""
    from pipeline.config import load, parse_value

    name, project = _argument(ctx, "experiment"), _project() or Path.cwd()
    pairs = (it.partition("=") for it in ctx.params.get("settings") or ())
    given = {key: parse_value(value) for key, equals, value in pairs if equals}
    for values in (given, {}) if name else ():
        with suppress(UserError, OSError):
            return load(name, values, project)
    return None


def _argument(ctx: click.Context, name: str) -> str:
    """An argument on the line; where an option lacks its value, click has not come to the arguments yet."""
    if given := ctx.params.get(name):
        return str(given)
    places = [it.name for it in ctx.command.params if isinstance(it, click.Argument)]
    words = dict(zip(places, (it for it in ctx.args if not it.startswith("-")), strict=False))
    return words.get(name, "")


def _rows(query: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Rows of the project's store."""
    from pipeline.tracking.store import tracking_uri

    project = _project()
    return _read(tracking_uri(project), query, values) if project else []


def _attributes(storage: str | None, experiment: "Experiment") -> list[tuple[str, str]]:
    """Experiment and arm of each study in a storage, by default in the experiment's own."""
    from pipeline.steps.tune import storage_url
    from pipeline.urls import hung_from

    project = _project() or Path.cwd()
    query = (
        "SELECT a.value_json, b.value_json FROM study_user_attributes a JOIN study_user_attributes b USING (study_id) "
        "WHERE a.key = 'experiment' AND b.key = 'arm' ORDER BY study_id"
    )
    url = hung_from(project, storage) if storage else storage_url(experiment, project)
    return [(json.loads(one), _TUNED.get(arm := json.loads(two), arm)) for one, two in _read(url, query, ())]


def _read(url: str, query: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Rows of a database; none where it is no sqlite file, is busy, or is not there."""
    from pipeline.urls import sqlite_file

    file = sqlite_file(url)
    if file is None or not file.is_file():
        return []
    with suppress(sqlite3.Error):
        address = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as connection:
            return connection.execute(query, tuple(values)).fetchall()
    return []


def _time(milliseconds: int | None) -> str:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
