"""Tracking: keys, runs, outputs and the registry."""

from pipeline.tracking.store import prepare_environment

prepare_environment()  # before anything here imports mlflow, which reads it then
