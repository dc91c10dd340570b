"""What an experiment may say: one file of settings for each part that owns them, and how a YAML file becomes them.

Nothing here imports anything heavy: the command line reads experiments before it knows whether a step must run.
"""

from pipeline.config.dotted import changed, flatten, under_base, with_values
from pipeline.config.experiment import Experiment
from pipeline.config.load import load, parse_value
from pipeline.config.project import experiment_files, project_folder

__all__ = [
    "Experiment",
    "changed",
    "experiment_files",
    "flatten",
    "load",
    "parse_value",
    "project_folder",
    "under_base",
    "with_values",
]
