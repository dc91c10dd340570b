"""From sources to prepared arrays.

Labels are read, split and written first; then inputs, a few rows at a time. So neither a table nor a folder of images
is ever in memory as a whole; of few rows that all test, a chunk is read once for all replicates.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.config.data import OuterFolds
from pipeline.data.carried import carried, limits_of
from pipeline.data.outer import Outer, OuterSource, assigned, dealt, gives_test, is_small
from pipeline.data.prepared import outer_file, replicate_folder, shared_file
from pipeline.data.sources import Place, Report, source
from pipeline.data.sources.base import Streamed
from pipeline.data.splitting import all_of
from pipeline.data.summary import in_words
from pipeline.data.targets import label_of
from pipeline.data.view import EVERY, ReadSource, View
from pipeline.data.written import hashes_of, save, write_inputs
from pipeline.errors import Failure, UserError

_AT_HAND = 1 << 16  # rows at most whose chunks are kept for the next replicate


class _Reading:
    """Reads every source once.

    Args:
        experiment: Whose sources.
        place: Where they find their files.
        report: Is told.
    """

    def __init__(self, experiment: Experiment, place: Place, report: Report) -> None:
        self._experiment, self._place, self._report = experiment, place, report
        self.held: dict[str, ReadSource] = {}

    def source(self, name: str) -> ReadSource:
        """A source, which stays in memory until it is taken."""
        if name not in self.held:
            self._report(f"reading {name}")
            examples = source(self._experiment, name).read(self._place, self._report)
            tasks = {task: it for task, it in self._experiment.tasks.items() if it.source == name}
            labels = {task: label_of(task, it, examples) for task, it in tasks.items()}
            self.held[name] = ReadSource(name, examples, labels)
        return self.held[name]

    def take(self, name: str) -> ReadSource:
        """A source that leaves memory when the caller is done with it."""
        found = self.source(name)
        del self.held[name]
        return found


class _UntestableError(UserError):
    """A replicate cannot be had."""


def prepare(
    experiment: Experiment,
    place: Place,
    folder: Path,
    report: Report,
    assignment: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Read every source, split it, and write its arrays and the manifest into an empty folder.

    The same experiment, files and seed write the same bytes. The manifest is written last. Under cross-validation
    the train split is all that is not test, and statistics (means, quantiles, categories, a regression target's unit
    and range) are its own: they see the inputs of every fold, and of targets the mean, deviation and range of numbers
    alone. Where every row tests, each replicate has a folder and statistics of its own, see `pipeline.data.prepared`.

    Args:
        experiment: What to prepare.
        place: Where sources find their files.
        folder: Where it goes.
        report: Is told what is done, and what had to be done otherwise than asked.
        assignment: Where every row tests, by source which fold tests each row, as an earlier call wrote it; None deals
            the rows.

    Returns:
        The manifest: `sources` (shape, scale, rows by split, how they are encoded, folds, and `repeated`: how many of
        them have the inputs of a row of train), `tasks` (kind, source, and as `pipeline.data.prepared.PreparedTask` has
        them classes, counts, mean and so on), `files` (sha256 by name), and where every row tests `outer`: `folds`,
        `repeats`, `replicates`, whether rows can be cut so `once` only, by source the rows that are `tested`, and those
        with the inputs of another `together`.

    Raises:
        UserError: Data are missing or broken, or a split lacks what another has.
        Failure: A download did not succeed, or the folder cannot be written.
    """
    reading = _Reading(experiment, place, report)
    try:
        if outer := _outer(experiment, reading, folder, report, assignment):
            try:
                return _write_replicates(experiment, reading, folder, report, outer)
            except _UntestableError as error:
                if experiment.data.test != "auto":
                    raise
                report(f"one split tests, and not every row: {error}")
                shutil.rmtree(folder)
                folder.mkdir()
                reading = _Reading(experiment, place, lambda line: None)
        return _write(experiment, reading, folder, report)
    except OSError as error:
        raise Failure(f"{folder}: cannot be written ({error.strerror or error})") from None


def _write(experiment: Experiment, reading: _Reading, folder: Path, report: Report) -> dict[str, Any]:
    """One split."""
    view = View(experiment, folder)
    for name in experiment.source_names:
        found = reading.take(name)  # examples without encoder leave memory before the next are read
        view.take(found)
        found.forget_labels()
    view.encode(report)
    view.finish()
    return view.manifest


def _write_replicates(
    experiment: Experiment, reading: _Reading, folder: Path, report: Report, outer: Outer
) -> dict[str, Any]:
    """Splits of all rows, and of each replicate.

    Raises:
        UserError: The rows lack something as a whole.
        _UntestableError: Those of a replicate do.
    """
    whole = View(experiment, folder, outer)
    own = [View(experiment, folder / replicate_folder(it), outer, it) for it in range(outer.replicates)]
    for name in experiment.source_names:
        save(folder / outer_file(name), outer.of[name])
    found = [reading.take(name) for name in experiment.source_names]
    for source_ in found:
        whole.take(source_)
    whole.encode(report)
    for number, view in enumerate(own):
        view.folder.mkdir(parents=True)
        try:
            for source_ in found:
                view.take(source_)
            view.encode(lambda line: None)
        except UserError as error:
            remedy = "or lower data.test.folds, or give data.test a share"
            raise _UntestableError(f"replicate {number} of {outer.replicates}: {error} ({remedy})") from None
        view.finish()
    report(_tested(outer, own))
    about = {
        "folds": outer.folds,
        "repeats": outer.repeats,
        "replicates": outer.replicates,
        "once": outer.is_once,
        "tested": {name: int((of >= 0).any(1).sum()) for name, of in outer.of.items()},
        "together": {name: it.repeated for name, it in outer.sources.items()},
    }
    whole.finish(outer=about)
    return whole.manifest


def _tested(outer: Outer, own: Sequence[View]) -> str:
    """What tests, in words, and how many rows each split of a replicate has."""
    said = []
    for name, source_ in outer.sources.items():
        rows = in_words([view.manifest["sources"][name]["rows"] for view in own])
        said.append(f"{name} {rows}{', each later than its train' if source_.is_timed else ''}")
    return f"every row tests: {outer.folds} folds x {outer.repeats}; rows of a replicate: {'; '.join(said)}"


def _outer(
    experiment: Experiment,
    reading: _Reading,
    folder: Path,
    report: Report,
    assignment: Mapping[str, np.ndarray] | None,
) -> Outer | None:
    """Which rows each replicate tests; None where there is one split.

    Raises:
        UserError: The folds that are asked for cannot be had.
    """
    test, names = experiment.data.test, experiment.source_names
    if isinstance(test, float):
        return None
    wanted = test if isinstance(test, OuterFolds) else None
    if wanted is None and not is_small(reading.source(name).examples for name in names):
        return None
    found = [reading.source(name) for name in names]
    for it in found if wanted else ():
        if gives_test(it.examples):
            raise UserError(f"data.test.folds: source '{it.name}' itself says which rows test: leave out data.test")
    sources = [_hashed(reading, it.name, folder) for it in found]
    if assignment is not None:
        return assigned(assignment, sources)
    folds, notes = carried({it.name: limits_of(it) for it in sources}, wanted)
    for note in notes:
        report(note)
    if folds is None:
        for it in found:
            (folder / shared_file(it.name)).unlink(missing_ok=True)
        reading.held |= {it.name: it for it in found}
        return None
    return dealt(folds, sources, experiment.seed)


def _hashed(reading: _Reading, name: str, folder: Path) -> OuterSource:
    """A source with a hash of each row; inputs that need no encoding are written on the way, others kept if few."""
    found = reading.source(name)
    examples = found.examples
    if examples.encoder is None:
        every = all_of(examples.train)
        inputs = write_inputs(name, {EVERY: every}, {EVERY: folder / shared_file(name)})
        reading.held[name] = replace(found, shared=inputs)
        return OuterSource(name, examples, found.used, inputs.hashes[EVERY])
    if not isinstance(examples.train.inputs, np.ndarray) and len(examples.train.inputs) <= _AT_HAND:
        chunks = list(examples.train.inputs.chunks())
        kept = replace(examples.train, inputs=Streamed(len(examples.train.inputs), lambda: iter(chunks)))
        examples = replace(examples, train=kept)
        reading.held[name] = replace(found, examples=examples)
    assert examples.encoder is not None
    return OuterSource(name, examples, found.used, hashes_of(name, examples.train, examples.encoder))
