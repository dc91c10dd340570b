"""From the Gramian of one slot to weights: descent of a first task, as long as the others descend too."""

from torchjd.aggregation import PCDWeighting

from pipeline.balance.base import Kept


class PriorityConstrained(PCDWeighting):
    """TorchJD's, with what it remembers (PCD; arXiv 2606.29521, TMLR 2026)."""

    kept = (Kept("_sq_norm_ema", 1, made_by_call=True), Kept("_n_steps", 0, made_by_call=True))
