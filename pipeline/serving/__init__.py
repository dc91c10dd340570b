"""Serving: what a trained network is packaged as, opened as, and answers with, in this process and in others."""

import pipeline.tracking  # noqa: F401  it sets what mlflow reads when it is imported
