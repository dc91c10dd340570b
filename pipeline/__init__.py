"""Headway: multi-task learning as one tracked, resumable, reproducible experiment.

The packages, from the command line down: `cli`, `steps`, `tuning` and `analysis`, `training`, `serving`, then
`balance`, `model` and `data`, then `config`. Only `tracking` and `serving` import mlflow. Imports run that one way.
"""

import os

# torch reads it once: large tensors on huge pages cost fewer page walks.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
