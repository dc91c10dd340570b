"""How much memory training takes, predicted before any is allocated.

Only anonymous memory counts: the prepared splits are mapped files, which the system drops when it needs room.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from pipeline.config import Experiment, with_values
from pipeline.data.batches import evaluated_rows
from pipeline.data.plan import plan_of
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.machine import available_memory
from pipeline.stacked import padded
from pipeline.training.optim.per_slot import STATE
from pipeline.training.slot import Slot
from pipeline.training.stack.layout import shapes
from pipeline.training.stack.network import build_network
from pipeline.training.tallies import counted

WORKER = 350 * 2**20
"""Bytes of a worker process with everything imported."""

_FLOAT = 4
_MANY = 1_000  # outputs of a task
_TALLIED = 3  # arrays [C, counted] of logits: of training, of evaluation, and their logarithms
_COPIES = 2  # of a slot's state while a checkpoint is written: itself and its bytes
_DRAWN = 12  # values that a pass keeps of a unit with dropout are three; of the whole batch it keeps a byte
_CHUNK = 4  # rows that a chunk has at least, where more chunks are advised
_MOVED = 1  # of a slot's state on a GPU, while others leave its stack
_CARRIED = 2  # more of them while it goes from one process to another


def slot_memory(prepared: Prepared, slot: Slot, copies: int = _COPIES) -> int:
    """Bytes that a slot of a stack takes while it trains and while its state is written.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slot: Any of the stack.
        copies: Of its state that exist at the same time.
    """
    experiment, prepared = slot.experiment, prepared.view(slot.replicate, None)
    training = experiment.training
    network = build_network(prepared, [experiment])
    values, buffers = (
        sum(padded(declared.shape) for declared in network.declared(what).values())
        for what in ("parameters", "statistics")
    )
    state = (2 + len(STATE[training.optimizer])) * values + 2 * buffers  # with those of the kept look
    halves = values if experiment.precision == "bfloat16" else 0  # of the values and of their gradients
    trained, evaluated = (network.units(training=it) for it in (True, False))
    taken, passed = plan_of(prepared, experiment).largest, evaluated_rows(evaluated)
    parts = {name: _parts(size, training.chunks) for name, size in taken.items()}
    last = {name: prepared.sources[name].rows.get("train", 0) % max(size, 1) for name, size in taken.items()}
    rows = sum(sum(parts[name] | _parts(size, training.chunks)) for name, size in last.items())
    validated = passed + sum({it.rows.get("validation", 0) % passed for it in prepared.sources.values()})
    tallied = _TALLIED * sum(counted(task.outputs) * task.outputs for task in prepared.tasks.values())
    activations = rows * trained + validated * evaluated  # a smaller last batch has memory of its own
    features = sum(source.features for source in prepared.sources.values())
    if slot.data_stream == slot.stream or training.augment or slot.replicate is not None:  # a batch of its own
        own = taken if training.augment else {name: sum(sizes) for name, sizes in parts.items()}
        activations += sum(own[name] * source.features for name, source in prepared.sources.items())
    if slot.replicate is not None:
        activations += passed * features
    apart, remembered = _balanced(experiment, network.shared())
    added = 0
    if training.chunks > 1:
        sums = max(training.chunks.bit_length() - 1, 1)  # that wait for one another, see `Tree`
        added = sums * (values + buffers + apart) + buffers + (training.chunks - 1) * tallied // _TALLIED
        added += sum(taken.values()) * trained // _DRAWN  # dropout is drawn for the whole batch
    return _FLOAT * ((state + remembered) * (1 + copies) + values + halves + activations + tallied + apart + added)


def _parts(rows: int, chunks: int) -> set[int]:
    """The sizes of so many chunks of rows, each of which has memory of its own."""
    return {rows // chunks, -(-rows // chunks)}


def _balanced(experiment: Experiment, shared: int) -> tuple[int, int]:
    """Values of the tasks' gradients on what they share, at most, and of what is remembered of them."""
    balancing, gradients = experiment.balancing, len(experiment.tasks) * shared
    if len(experiment.tasks) == 1:
        return 0, 0
    watch = experiment.training.watch
    watched = gradients + (6 * shared if watch.lookahead else 0) if watch else 0  # the step that is tried, and its rule
    if not balancing.reads_gradients or getattr(balancing, "gradients", "") == "representation":
        return watched, 0
    more = 2 if "cross_gramian" in balancing.needs or not balancing.returns_weights else 0  # of both halves, or of work
    return watched + (1 + more) * gradients, balancing.stored_per_gradient() * gradients


def fitting_processes(prepared: Prepared, slots: Sequence[Slot], wanted: int, available: int | None = None) -> int:
    """As many processes as asked for, or fewer where more would not fit into memory with these slots."""
    available = available_memory() if available is None else available
    spare = available - _together(prepared, slots, _COPIES + _CARRIED)
    return max(1, min(wanted, 1 + spare // WORKER))


def check(prepared: Prepared, slots: Sequence[Slot], available: int | None = None, setting: str = "") -> None:
    """Check that slots can train at the same time, before anything is allocated.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slots: All of them; they may be of several shapes.
        available: Bytes that may be taken; by default what this machine or its GPU has left.
        setting: Says how many they are; by default that of seeds, or of a batch of trials.

    Raises:
        Failure: They do not fit; the message names how many would, or what size of one.
    """
    gpu = slots[0].experiment.device == "cuda"
    if available is None:
        available = torch.cuda.mem_get_info()[0] if gpu and torch.cuda.is_available() else available_memory()
    copies = _MOVED if gpu else _COPIES  # a checkpoint is written from the host's memory
    together = _together(prepared, slots, copies)
    if together <= available:
        return
    each = max(slot_memory(prepared, slot, copies) for slot in slots)
    fitting = available // each
    if fitting == 0:
        name, task = max(prepared.tasks.items(), key=lambda it: it[1].outputs)
        many = f" (task {name} has {task.outputs:,} classes: is it a number?)" if task.outputs > _MANY else ""
        largest = max(slots, key=lambda slot: slot_memory(prepared, slot, copies))
        raise Failure(
            f"a network needs {shown(each)} of memory to train and {shown(available)} are free: "
            f"{_that_fits(prepared, largest, copies, available)}{many}"
        )
    folds, are_seeds = slots[0].experiment.training.folds or 1, slots[0].name.startswith("seed/")
    in_flight = tuning.batches_in_flight if (tuning := slots[0].experiment.tuning) else 1
    key, at_once = ("training.seeds", 1) if are_seeds else ("tuning.batch", folds * in_flight)
    key = setting or key
    wanted = f"set {key} to at most {fitting // at_once}" if fitting >= at_once else "lower training.folds"
    if are_seeds and slots[0].replicate is not None:
        wanted = f"lower folds or repeats of data.test, to at most {fitting} together"
    raise Failure(
        f"{len(slots)} networks trained together need {shown(together)} of memory and {shown(available)} are free: "
        f"{wanted}"
    )


def _that_fits(prepared: Prepared, slot: Slot, copies: int, available: int) -> str:
    """The chunks or the largest batch with which a network fits, or the largest width."""

    def fits(values: dict[str, Any]) -> bool:
        smaller = replace(slot, experiment=with_values(slot.experiment, values))
        return slot_memory(prepared, smaller, copies) <= available

    experiment, training = slot.experiment, slot.experiment.training
    chunks, size = training.chunks, training.batch_size
    more = [] if training.watch else [chunks << it for it in range(1, 10) if chunks << it <= size // _CHUNK]
    parts = next((f"training.chunks to {it} or " for it in more if fits({"training.chunks": it})), "")
    if most := _largest(size, lambda it: fits({"training.batch_size": it, "training.chunks": _at_most(it, chunks)})):
        return f"set {parts}training.batch_size to at most {most}"
    widths = getattr(experiment.model.trunk, "widths", ())
    key = "model.trunk.widths"
    if most := _largest(max(widths, default=0), lambda it: fits({key: [min(width, it) for width in widths]})):
        return f"set {key} to at most {most} each"
    return "choose smaller widths or a smaller training.batch_size"


def _at_most(rows: int, chunks: int) -> int:
    """As many chunks, or fewer where there are fewer rows."""
    return min(chunks, 1 << rows.bit_length() - 1)


def _largest(top: int, fits: Callable[[int], bool]) -> int:
    """The largest number below one that does not fit which does; 0 where there is none."""
    return bisect_left(range(1, top), True, key=lambda it: not fits(it))


def _together(prepared: Prepared, slots: Sequence[Slot], copies: int) -> int:
    of_slots = shapes(prepared, slots)
    alike = dict(zip(of_slots, slots, strict=True))
    sizes = {shape: slot_memory(prepared, slot, copies) for shape, slot in alike.items()}
    return sum(sizes[shape] for shape in of_slots)


def shown(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
