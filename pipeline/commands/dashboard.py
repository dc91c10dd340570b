"""`headway dashboard`: Optuna's dashboard on the studies of a project, served to this machine alone by default."""

import errno
import json
import re
import signal
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pipeline.commands.options import Request
from pipeline.config import load, project_folder
from pipeline.errors import Failure, UserError
from pipeline.plugins import add_to_path
from pipeline.printable import echo
from pipeline.steps.tune import storage_url
from pipeline.urls import is_loopback, redacted, served_at, sqlite_file

_JOURNAL = "journal://"
_App = Callable[..., Iterable[bytes]]


def dashboard(request: Request | None, host: str, port: int, as_json: bool = False) -> None:
    """Serve the dashboard until Ctrl-C.

    Args:
        request: The experiment whose storage is shown, and settings of it; None for the project's storage.
        host: Address to listen on.
        port: 0 for any that is free.
        as_json: Print the address as JSON.

    Raises:
        UserError: The experiment, the storage's URL or the host is wrong.
        Failure: The extra is missing, there is no study yet, the storage does not respond, or the port is in use.
    """
    if find_spec("optuna_dashboard") is None:
        raise Failure("headway dashboard needs the package optuna-dashboard: pip install 'headway[dashboard]'")
    project = add_to_path(project_folder())
    experiment = load(request.experiment, request.values, project) if request else None
    if experiment and experiment.tuning is None:
        raise UserError(f"{experiment.name} searches nothing (tuning: null), so there is no study of it to show")
    name = experiment.name if experiment else ""
    url = storage_url(experiment, project)
    app, study = _app(url, name)
    with _listening(app, host, port) as server:
        address = served_at(host, server.server_port)
        shown = f"{address}/dashboard" + (f"/studies/{study}" if study is not None else "")
        if as_json:
            print(json.dumps({"address": shown, "storage": redacted(url)}), flush=True)
        else:
            echo(f"dashboard: {shown}", f"storage:   {redacted(url)}", "Ctrl-C ends it")
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells leave out in the background
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _app(url: str, experiment: str) -> tuple[_App, int | None]:
    """The dashboard's application, and the number of the experiment's newest study.

    Raises:
        UserError: See `dashboard`.
        Failure: See `dashboard`.
    """
    file = Path(url.removeprefix(_JOURNAL)) if url.startswith(_JOURNAL) else sqlite_file(url)
    missing = f"there is no study {f'of {experiment} ' if experiment else ''}in {redacted(url)} yet: "
    missing += f"headway tune {experiment or 'EXPERIMENT'} makes one"
    from pipeline.tuning.storage import check_storage, connect, storage_failures

    check_storage(url)
    if file and not file.exists():
        raise Failure(missing)
    import optuna
    import optuna_dashboard

    from pipeline.tuning.study import ARM, SHARED, experiment_of

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = connect(url)
    with storage_failures():
        found = optuna.get_all_study_summaries(storage)
    own = [it for it in found if not experiment or experiment_of(it.study_name, it.user_attrs) == experiment]
    if not own:
        raise Failure(missing)
    newest = max(own, key=lambda it: (it.user_attrs.get(ARM, SHARED) == SHARED, it._study_id))  # the shared network's
    return optuna_dashboard.wsgi(storage), newest._study_id if experiment else None


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread, none of which is waited for at the end."""

    daemon_threads = True
    block_on_close = False


class _Silent(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _listening(app: _App, host: str, port: int) -> WSGIServer:
    try:
        return make_server(host, port, _for_host(app, host), _Server, _Silent)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port {port} of {host} is in use: --port {port % 65535 + 1}, or --port 0 for any") from None
        raise UserError(f"cannot listen on {host}, port {port} ({error.strerror or error}): --host, --port") from None


def _for_host(app: _App, host: str) -> _App:
    """The application for requests that are meant for this machine, where only these can arrive.

    The dashboard has no password and deletes studies, and a web page may give a name of its own to 127.0.0.1.
    """
    if not is_loopback(host):
        return app

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        named = environ.get("HTTP_HOST", host)
        if not is_loopback(re.sub(r":\d+$", "", named).strip("[]")):
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"this dashboard answers to 127.0.0.1 and localhost only\n"]
        return app(environ, start_response)

    return checked
