"""`headway serve`: a registered model answers requests over HTTP."""

from pipeline import garbage_collection
from pipeline.config import project_folder
from pipeline.steps.console import Console
from pipeline.tracking.store import check_store, tracking_uri
from pipeline.urls import served_at

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(model: str, host: str, port: int, quiet: bool) -> None:
    """Answer requests until interrupted.

    Raises:
        UserError: There is no such model or address.
        Failure: The port is in use, or the store does not respond.
    """
    project = project_folder()
    check_store(tracking_uri(project))
    from pipeline.serving.open_model import open_model
    from pipeline.serving.server import application, example, exit_on_sigterm, listen, run
    from pipeline.steps.predict import score_csv
    from pipeline.tracking.tracker import Tracker

    exit_on_sigterm()
    garbage_collection.normal()
    Tracker(project, None)  # sets mlflow's tracking URI
    console = Console(quiet)
    with listen(host, port) as listening:
        opened = open_model(model)
        app = application(opened, lambda body: score_csv(opened, body))
        address = served_at(host, listening.getsockname()[1])
        if host not in _LOOPBACK:
            console.warn(f"whoever reaches {host} can ask this model: the server knows no users")
        console.line(f"{model} answers at {address}/invocations until Ctrl-C; for example:")
        console.line(f"  {example(opened, address)}")
        run(app, listening)
