"""`headway diff RUN RUN`: configuration, data, code, and metrics paired by seed."""

import json
import tempfile
from pathlib import Path
from typing import Any

from pipeline.commands.lookup import find_run, tracker_here
from pipeline.config import flatten
from pipeline.printable import echo
from pipeline.steps.step import EXPERIMENT_FILE, KEY_FILE
from pipeline.tracking import tags


def diff(first: str, second: str, as_json: bool) -> None:
    """Compare two runs.

    Raises:
        UserError: One of the runs does not exist.
    """
    tracker = tracker_here()
    runs = [find_run(tracker, name) for name in (first, second)]
    keys = [tracker.json_artifact(run.info.run_id, KEY_FILE) or {} for run in runs]
    comparison = {
        "runs": [{"run_id": run.info.run_id, "name": run.info.run_name} for run in runs],
        "configuration": _differing(*(_settings(tracker, run) for run in runs)),
        "data": _differing(*(_data(run, key) for run, key in zip(runs, keys, strict=True))),
        "code": _differing(*({**key.get("code", {}), **key.get("versions", {})} for key in keys)),
        "metrics": _paired(tracker, runs) or _last(tracker, runs),
    }
    if as_json:
        print(json.dumps(comparison))
        return
    _print(comparison)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    names = sorted(before.keys() | after.keys())
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}


def _settings(tracker: Any, run: Any) -> dict[str, str]:
    """All settings of a run as text: its parameters, and those of its experiment, for a trial its study's."""
    owner = run.data.tags["mlflow.parentRunId"] if run.data.tags.get(tags.ROLE) == "trial" else run.info.run_id
    settings = flatten(tracker.json_artifact(owner, EXPERIMENT_FILE) or {})
    return {**{key: str(value) for key, value in settings.items()}, **run.data.params}


def _data(run: Any, key: dict[str, Any]) -> dict[str, str]:
    """Digests of the data sets that a run read, and checksums of the files that a prepare run read."""
    digests = {it.dataset.name: it.dataset.digest for it in run.inputs.dataset_inputs}
    files = {f"{source}/{name}": sum_ for source, sums in key.get("data", {}).items() for name, sum_ in sums.items()}
    return digests | files


def _paired(tracker: Any, runs: list[Any]) -> dict[str, dict[str, Any]]:
    """Second minus first at the kept validations, paired by seed, with t intervals; empty without two histories."""
    import numpy as np
    import pandas as pd

    from pipeline.analysis.statistics.intervals import student
    from pipeline.steps.train import HISTORY

    kept = []
    with tempfile.TemporaryDirectory() as folder:
        for number, run in enumerate(runs):
            target = Path(folder) / str(number)
            target.mkdir()
            path = tracker.artifact(run.info.run_id, HISTORY, target)
            if path is None:
                return {}
            table = pd.read_parquet(path)
            kept.append(table[table["kept"]].set_index("slot"))
    slots = kept[0].index.intersection(kept[1].index)
    names = [name for name in kept[0].columns if "/" in name and name in kept[1].columns]
    differences = {}
    for name in names:
        change = (kept[1].loc[slots, name] - kept[0].loc[slots, name]).to_numpy(dtype=float)
        interval = student(change)
        differences[name] = {
            "difference": float(np.mean(change)),
            "interval": [interval.low, interval.high] if interval else None,
            "pairs": len(slots),
        }
    return differences


def _last(tracker: Any, runs: list[Any]) -> dict[str, dict[str, Any]]:
    """Second minus first of the metrics that both runs have."""
    before, after = (_at_kept(tracker.metrics(run)) for run in runs)
    return {
        name: {"difference": after[name] - before[name], "interval": None, "pairs": 1}
        for name in sorted(before.keys() & after.keys())
        if not name.endswith(("_ci_low", "_ci_high"))
    }


def _at_kept(metrics: dict[str, float]) -> dict[str, float]:
    """Without the ends of curves: what was kept, which in runs of earlier versions their last points repeat."""
    from pipeline.steps.runs.curves import BEST

    kept = {name.removeprefix(BEST): value for name, value in metrics.items() if name.startswith(BEST)}
    if not kept:
        return metrics
    return kept | {name: it for name, it in metrics.items() if not name.startswith((BEST, "train/", "validation/"))}


def _print(comparison: dict[str, Any]) -> None:
    first, second = comparison["runs"]
    echo(f"{first['name']} {first['run_id']}  ->  {second['name']} {second['run_id']}")
    for part in ("configuration", "data", "code"):
        echo(f"{part}: {'equal' if not comparison[part] else ''}".rstrip())
        for name, (before, after) in comparison[part].items():
            echo(f"  {name}: {before} -> {after}")
    echo("metrics, second minus first:")
    for name, change in comparison["metrics"].items():
        bounds = change["interval"]
        interval = f"  [{bounds[0]:+.5f}, {bounds[1]:+.5f}] over {change['pairs']} seeds" if bounds else ""
        echo(f"  {name}: {change['difference']:+.5f}{interval}")
