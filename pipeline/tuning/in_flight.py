"""How many trials are in flight, and what is said of it before a study begins."""

from pipeline.config import Experiment
from pipeline.tuning.samplers import STARTUP_TRIALS

_A_HOST = 4  # trials in flight from which on no host waits for another for long: simulated, `benchmarks.in_flight`
_FEW_HOSTS = 4  # of one machine, which has nothing to gain
_LEAST_SHARE = 8  # one in so many trials in flight; with half of them TPE equals random search
_LEARNING = ("tpe", "gp")


def trials_in_flight(experiment: Experiment) -> int:
    """Trials that train at the same time, at most."""
    assert experiment.tuning is not None
    return min(experiment.tuning.batch * experiment.tuning.batches_in_flight, experiment.trials)


def advice(experiment: Experiment, hosts: int, trains_here: bool) -> list[str]:
    """Lines about too few or too many trials in flight; none in the usual case.

    Args:
        experiment: With `tuning` on.
        hosts: That train.
        trains_here: They are processes of this machine.
    """
    assert experiment.tuning is not None
    tuning, trials, count = experiment.tuning, experiment.trials, trials_in_flight(experiment)
    lines = []
    networks = count * (experiment.training.folds or 1)
    if count < trials and networks < _A_HOST * hosts and (hosts > _FEW_HOSTS or not trains_here):
        lines.append(
            f"{count} trials in flight for {hosts} hosts, some of which will wait for others: from "
            f"{_A_HOST * hosts} on they do not (tuning.batch and tuning.batches_in_flight; they change what is tried)"
        )
    learns = tuning.sampler in _LEARNING and trials // experiment.replicates > STARTUP_TRIALS
    if learns and tuning.batches_in_flight > 1 and count * _LEAST_SHARE > trials:
        lines.append(
            f"{count} of {trials} trials in flight: {tuning.sampler} proposes them knowing so little that it nears "
            f"random search; up to {max(1, trials // _LEAST_SHARE)} at a time cost it little"
        )
    return lines
