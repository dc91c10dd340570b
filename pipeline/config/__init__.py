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
from pipeline.config.project import begins, experiment_files, is_shipped, project_folder, shipped_folder

__all__ = [
    "Experiment",
    "begins",
    "experiment_files",
    "facts",
    "flatten",
    "implementations",
    "is_of_choice",
    "is_shipped",
    "load",
    "parse_value",
    "project_folder",
    "public",
    "read_stored",
    "shipped_folder",
    "under_base",
    "values_read",
    "with_values",
    "without_secrets",
]
