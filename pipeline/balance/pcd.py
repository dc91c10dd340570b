"""Priority-constrained descent: the first task descends under the constraint that the others descend too."""

from torchjd.aggregation import PCDWeighting

from pipeline.balance.balancer import StateSpec


class PCD(PCDWeighting):
    """TorchJD's PCD (arXiv 2606.29521, TMLR 2026), with its state declared."""

    state_specs = (StateSpec("_sq_norm_ema", 1, made_by_call=True), StateSpec("_n_steps", 0, made_by_call=True))
