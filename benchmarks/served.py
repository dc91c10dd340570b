"""What a served answer to 1,000 rows takes: ours, and a plain PyTorch module that was logged by hand.

Both are served by `mlflow models serve`, in processes of their own with one thread to compute, and asked in turns over
HTTP for the same images of 8 x 8, as a table (`dataframe_split`) and as lists (`inputs`). The plain module is of the
same size and logged by `mlflow.pytorch`; it answers bare numbers. Another is logged by hand with the answers that ours
has: a label, a class and probabilities a task. `headway serve` is asked beside them. Beside the time that passes stands
the processor time of the server, which other programs disturb less.

    python -m benchmarks.served
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd

from benchmarks.common import machine, measuring, results
from benchmarks.common.measuring import Clock, Contender, Spent
from benchmarks.common.options import shared
from benchmarks.common.project import environment, project_in, run
from benchmarks.rivals import served_by_hand

ROWS, PIXELS = 1000, 64
_REQUESTS = 4  # of a turn
OURS, SERVE, PLAIN, SAME = "headway's model", "headway serve", "plain module", "by hand, the same answers"
FORMS = ("dataframe_split", "inputs")
_SMALL = {"data.test": "0.2", "training.epochs": "3", "training.seeds": "2", "tuning": "null",
          "baselines.single": "false", "baselines.reference": "false"}  # fmt: skip
_WAIT_S = 120.0


@click.command()
@shared(repeats=30)
def main(data: Path | None, repeats: int, quick: bool, folder: Path) -> None:
    """Ask all servers in turn."""
    count = 10 if quick else ROWS
    pixels = np.random.default_rng(0).integers(0, 17, (count, PIXELS)).tolist()
    columns = [f"pixel_{place}" for place in range(PIXELS)]
    bodies = {
        "dataframe_split": json.dumps({"dataframe_split": {"columns": columns, "data": pixels}}).encode(),
        "inputs": json.dumps({"inputs": pixels}).encode(),
    }
    with TemporaryDirectory() as made, ExitStack() as servers:
        project = project_in(Path(made))
        values = [word for pair in _SMALL.items() for word in ("--set", "=".join(pair))]
        run([sys.executable, "-m", "pipeline", "run", "digits", *values], project)
        uris = {OURS: "models:/digits@champion", **_by_hand(project)}
        started = {name: servers.enter_context(_served(project, uri)) for name, uri in uris.items()}
        started[SERVE] = servers.enter_context(_served(project, uris[OURS], ours=True))
        contenders = [
            Contender(f"{name}, {form}", partial(_turn, started[_server(name, form)], bodies[form]), _REQUESTS)
            for form in FORMS
            for name in (OURS, PLAIN, SAME, SERVE)
        ]
        table = measuring.take_turns(contenders, 1 if quick else repeats, warm_ups=2)
    click.echo(_shown(table))
    figure = results.bars(table, "seconds", f"An answer to {count:,} rows", "seconds")
    results.save("served", table, {"machine": machine.describe(), "rows": count}, figure, folder)


def _server(name: str, form: str) -> str:
    """The plain module has a signature for tables, and another for lists."""
    return f"{name}, {form}" if name == PLAIN else name


def _shown(table: pd.DataFrame) -> str:
    """Milliseconds, and ratios of ours to those by hand with the interval of their median."""
    lines = []
    for column in ("seconds", "cpu_seconds"):
        lines += [f"{column}, in thousandths", (measuring.summary(table, column) * 1e3).round(1).to_string()]
        wide = table.pivot_table(index="repeat", columns="name", values=column)
        for form in FORMS:
            for ours, other in ((OURS, PLAIN), (OURS, SAME), (SERVE, PLAIN), (SERVE, SAME)):
                ratios = (wide[f"{ours}, {form}"] / wide[f"{other}, {form}"]).to_numpy()
                draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
                low, high = np.quantile(np.median(draws, 1), (0.025, 0.975))
                lines.append(f"{form}: {ours} / {other}: {np.median(ratios):.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)


def _by_hand(project: Path) -> dict[str, str]:
    """Log the other models; their URIs by name."""
    import mlflow
    import torch

    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    network, values = served_by_hand.network(), np.zeros((2, PIXELS), np.float32)
    examples: dict[str, Any] = {
        "inputs": values,
        "dataframe_split": pd.DataFrame(values.astype(float), columns=[f"pixel_{it}" for it in range(PIXELS)]),
    }
    answers = network(torch.from_numpy(values)).detach().numpy()
    found = {}
    with mlflow.start_run():
        for form, example in examples.items():
            signature = mlflow.models.infer_signature(example, answers)
            # Its weights are drawn here, and loaded on this machine: pickle is MLflow's own way.
            logged = mlflow.pytorch.log_model(network, name="plain", signature=signature, serialization_format="pickle")
            found[f"{PLAIN}, {form}"] = logged.model_uri
        found[SAME] = mlflow.pyfunc.log_model(name="same", python_model=served_by_hand.__file__).model_uri
    return found


@contextmanager
def _served(project: Path, uri: str, ours: bool = False) -> Iterator[tuple[int, int]]:
    """A server of a model, until the block is left; its group of processes and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mlflow = ["mlflow", "models", "serve", "--env-manager", "local", "-h", "127.0.0.1", "-m", uri]
    words = ["pipeline", "serve", uri, "--quiet"] if ours else mlflow
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}", "PATH": path, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *words, "--port", str(port)],
        cwd=project, env=environment() | store, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        _wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1))
        yield process.pid, port
    finally:
        os.killpg(process.pid, 15)  # MLflow's command starts the server as its child
        process.wait()


def _wait(ask: Callable[[], Any]) -> None:
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            ask().close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _turn(server: tuple[int, int], body: bytes) -> Spent:
    """Ask a server a few times; what that cost, with its processor time."""
    group, port = server
    before = _cpu_seconds(group)
    with Clock() as clock:
        for _ in range(_REQUESTS):
            _ask(port, body)
    return Spent(clock.spent.seconds, _cpu_seconds(group) - before)


def _cpu_seconds(group: int) -> float:
    """Of all threads of a group of processes."""
    own = (it for it in Path("/proc").iterdir() if it.name.isdigit() and _group(int(it.name)) == group)
    spent = (int(it.read_text().split()[0]) for process in own for it in process.glob("task/*/schedstat"))
    return sum(spent) / 1e9


def _group(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:  # it has ended meanwhile
        return None


def _ask(port: int, body: bytes) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        json.loads(answer.read())


if __name__ == "__main__":
    main()
