"""Out-of-fold predictions: each training row's, by the networks that never saw it.

Where every row tests, each is in the test split of one replicate of every repeat. What the networks of these answer is
averaged: probabilities of classes, and numbers. Only what an evaluate run has opened is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.errors import UserError
from pipeline.steps.context import Context
from pipeline.steps.graph import Job
from pipeline.steps.select import selected
from pipeline.steps.step import look_up

if TYPE_CHECKING:
    from pipeline.analysis.pooled import Tested
    from pipeline.data.prepared import Prepared
    from pipeline.data.sources.base import Stream
    from pipeline.serving.averaged import Average
    from pipeline.steps.train import Train


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        rows: Of the source, and of the file.
        untested: How many of them no network tested, whose answers are empty.
    """

    rows: int
    untested: int


def out_of_fold(context: Context, source: str, output: Path, spreadsheet: bool = False) -> Written:
    """Write each row's prediction, in the order of the source, in the columns that `headway predict` writes.

    Args:
        context: Whose experiment is settled, if its data are prepared.
        source: Whose rows; may be empty where the tasks read only one.
        output: A `.csv` or `.parquet` file to write.
        spreadsheet: See `pipeline.steps.predict.predict`.

    Raises:
        UserError: Not every row tests, test was not opened yet, or the source or the output is not what it should be.
        Failure: The output cannot be written.
    """
    from pipeline.data.tables.writer import check_output, written

    check_output(output, output.parent, spreadsheet)
    job = Job.of(context)
    name, trained = _source(context, source), _evaluated(context, job)
    frame, untested = _answers(context, job, trained, name)
    with written(output, spreadsheet) as writer:
        writer.write(frame)
    return Written(len(frame), untested)


def _source(context: Context, asked: str) -> str:
    names = context.experiment.source_names
    if asked and asked not in names:
        raise UserError(f"--source {asked}: the tasks read {', '.join(names)}")
    if not asked and len(names) > 1:
        raise UserError(
            f"the tasks read {len(names)} sources, and their rows are not the same: add --source {names[0]}"
        )
    return asked or names[0]


def _evaluated(context: Context, job: Job) -> "list[Train]":
    """The candidate that was chosen, whose networks were tested.

    Raises:
        UserError: None was, or not every row tests.
    """
    name = context.experiment.name
    look_up(context, job.report)
    if job.prepare.result and not context.every_row_tests:
        raise UserError(
            f"{name} has one test split, and no network that never saw the other rows: "
            "data.test={folds: 5, repeats: 2} lets every row test"
        )
    if job.evaluate.result is None:
        raise UserError(
            f"{name}: the test split of these networks was not opened yet: headway evaluate {name} opens it"
        )
    if job.select and job.select.result is None:
        raise UserError(f"{name}: which candidate is put to use is not known yet: headway evaluate {name} chooses it")
    role = selected(job.select.outputs)["role"] if job.select else "default"
    return [it for it in job.trained if it.role == role]


def _answers(context: Context, job: Job, trained: "Sequence[Train]", source: str) -> tuple[Any, int]:
    """The answers as a frame, a row of the source each, and how many rows no network tested."""
    import numpy as np
    import pandas as pd

    from pipeline.data.prepared import outer_file
    from pipeline.serving.averaged import Average
    from pipeline.steps.data import opened
    from pipeline.steps.evaluate import opened_again
    from pipeline.training.numerics import settle

    settle()
    prepared = opened(job.prepare, context.experiment)
    test, (tokens, files) = opened_again(prepared), _beside(context, prepared, source)
    rows = len(np.load(prepared.folder / outer_file(source), mmap_mode="r"))
    tasks = {task: about for task, about in sorted(prepared.tasks.items()) if about.source == source}
    averages = {task: Average(about, rows) for task, about in tasks.items()}
    for replicate in range(len(prepared.replicates)):
        _add(averages, trained, test, replicate, source, tokens)
    tested = np.flatnonzero(next(iter(averages.values())).count)
    columns = {name: it for task, own in averages.items() for name, it in own.columns(task, tokens).items()}
    answers = pd.DataFrame(columns, index=tested)
    if len(tested) < rows:  # rows that nothing tests stay in their place, and are empty
        whole = {name: "Int64" for name in answers if answers[name].dtype == np.int64}
        answers = answers.astype(whole).reindex(range(rows))
    if files is not None:
        answers.insert(0, "file", files)
    return answers, rows - len(tested)


def _add(
    averages: "Mapping[str, Average]",
    trained: "Sequence[Train]",
    test: "Tested",
    replicate: int,
    source: str,
    tokens: Sequence[Sequence[str]] | None,
) -> None:
    """Add what a replicate's networks answer to the rows that it tests."""
    from pipeline.serving.served import Served
    from pipeline.serving.slots import merged, one_slot
    from pipeline.training.saved import file_of

    slot = f"seed/{replicate}"
    spec, tensors = merged([one_slot(file_of(it.outputs, slot), slot) for it in trained])
    numbers = test.numbers[replicate][source]
    rows = test.of(replicate).inputs_of(source) if tokens is None else [tokens[row] for row in numbers.tolist()]
    chances = Served(spec, tensors).chances(source, rows)
    for task, average in averages.items():
        average.add(spec.tasks[task], numbers, chances[task])


def _beside(context: Context, prepared: "Prepared", source: str) -> tuple[list[list[str]] | None, list[str] | None]:
    """What prepared data do not hold: the tokens of texts, which may be read in pieces, and the files of images."""
    kind = (prepared.sources[source].encoding or {}).get("kind")
    if kind == "table":
        return None, None
    from pipeline.data.sources import source as source_of
    from pipeline.data.sources.images import ImageFiles
    from pipeline.steps.prepare import place

    examples = source_of(context.experiment, source).read(place(context.experiment, context.project), lambda _: None)
    inputs = examples.train.inputs
    if kind == "text":
        return [row for chunk in cast("Stream", inputs).chunks() for row in chunk], None
    return None, inputs.names if isinstance(inputs, ImageFiles) else None
