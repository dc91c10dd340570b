"""Headway: multi-task learning as one tracked, resumable, reproducible experiment.

The packages, from the command line down: `cli`, `commands`, `studies`, `steps`, `reports`, `tuning` and `analysis`,
`training`, `serving`, then `balance`, `model` and `data`, then `config`. Imports run in this direction only. `tracking`
and `serving` alone import mlflow.
"""

import os

# Read by torch on import: large tensors on huge pages cost fewer page walks.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
