"""The configuration of an experiment: one file of settings for each part that owns them, and how YAML is read.

Nothing here imports anything heavy: the command line reads experiments before it knows whether a step must run.
"""

from pipeline.config.dotted import (
    facts,
    flatten,
    implementations,
    is_of_choice,
    public,
    read_stored,
    under_base,
    values_read,
    with_values,
    without_secrets,
)
from pipeline.config.experiment import Experiment
from pipeline.config.load import load, parse_value
from pipeline.config.project import experiment_files, project_folder

__all__ = [
    "Experiment",
    "experiment_files",
    "facts",
    "flatten",
    "implementations",
    "is_of_choice",
    "load",
    "parse_value",
    "project_folder",
    "public",
    "read_stored",
    "under_base",
    "values_read",
    "with_values",
    "without_secrets",
]
