"""The first line: does sharing help here?"""

from pipeline.analysis.metrics import TITLES
from pipeline.analysis.report.data import ReportData


def verdict(data: ReportData) -> str:
    """One plain sentence that answers, per task and with the interval, whether sharing helps."""
    if len(data.tasks) == 1:
        return f"There is one task, {data.tasks[0]}: nothing is shared, so sharing can neither help nor hurt."
    rows = data.difference(data.of_role("default"), data.of_role("single"))
    if rows.empty:
        return (
            "Whether sharing helps here is not known: no single-task baselines were trained "
            "(baselines.single=true trains them)."
        )
    clauses = _clauses(rows.to_dict("records"))
    if data.setting(data.of_role("default"), "model.sharing.kind") == '"separate"':
        return f"Nothing is shared here (model.sharing=separate); against the single-task baselines: {clauses}."
    return f"{_answer(set(rows['verdict']))}: {clauses}."


def details(data: ReportData) -> list[str]:
    """What the first line does not say: what was left out, all tasks together, tuning, what the intervals know."""
    said = list(data.left_out)
    said += [_delta_m(row) for row in data.evaluation.delta_m.to_dict("records") if row["candidate"] != "separate"]
    if len(tuned := data.difference(data.of_role("tuned"), data.of_role("default"))):
        said.append(f"Tuning, against the network as written: {_clauses(tuned.to_dict('records'))}.")
    seeds = int(data.evaluation.scores["num_seeds"].min())
    if seeds == 1:
        said.append(
            "There is one seed only: these 95 % intervals are a bootstrap over the rows of the test split and do not "
            "know how much another training would change."
        )
    else:
        said.append(
            f"Points are percentage points of {_metrics(data)} on test. Every interval covers 95 %; of two, Student's "
            f"t over {seeds} paired seeds and a paired bootstrap over the rows of the test split, the wider decides."
        )
    return said


def _metrics(data: ReportData) -> str:
    """`accuracy`, or `accuracy (a, b) or R2 (c)`."""
    tasks: dict[str, list[str]] = {}
    for task, metric in data.metrics.items():
        tasks.setdefault(TITLES[metric], []).append(task)
    if len(tasks) == 1:
        return next(iter(tasks))
    return " or ".join(f"{title} ({', '.join(its)})" for title, its in tasks.items())


def points(row: dict) -> str:
    """A difference in points with its interval: `-0.21 points [-0.30, -0.12]`."""
    return f"{100 * row['mean']:+.2f} points {bounds(row, 100.0)}"


def bounds(row: dict, scale: float = 1.0) -> str:
    """`[-0.30, -0.12]`."""
    return f"[{scale * row['low']:+.2f}, {scale * row['high']:+.2f}]"


def _answer(verdicts: set[str]) -> str:
    if {"better", "worse"} <= verdicts:
        return "Sharing helps some tasks here and hurts others"
    if "better" in verdicts:
        return "Sharing helps here"
    return "Sharing does not help here" if "worse" in verdicts else "It is unclear whether sharing helps here"


def _clauses(rows: list[dict]) -> str:
    """The clear differences one by one, then the unclear ones together."""
    said = [
        f"{100 * row['mean']:+.2f} points on {row['task']} {bounds(row, 100.0)}"
        for row in rows
        if row["verdict"] != "unclear"
    ]
    unclear = [f"{row['task']} ({points(row)})" for row in rows if row["verdict"] == "unclear"]
    if unclear:
        *most, last = unclear
        said.append(f"no clear difference on {', '.join(most) + ' or ' if most else ''}{last}")
    return ", ".join(said)


def _delta_m(row: dict) -> str:
    marked = f" ({row['note']})" if row["note"] else ""
    return f"All tasks together, {row['candidate']}: delta-m {row['mean']:+.2f} % {bounds(row)}{marked}."
