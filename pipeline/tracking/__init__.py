"""Tracking: keys, runs, outputs, the registry and served models. The only package that imports mlflow."""

from pipeline.tracking.store import prepare_environment

prepare_environment()  # before anything here imports mlflow, which reads it then
