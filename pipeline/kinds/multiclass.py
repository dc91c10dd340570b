"""One of several classes."""

from pipeline.kinds.base import Kind

KIND = Kind(
    form="classes",
    activation="softmax",
    primary="accuracy",
    losses={"cross_entropy": "model.losses:CrossEntropy"},
    tally="training.tallies:ClassTally",
    scorer="analysis.class_scores:ClassScorer",
    decision="serving.decisions:Class",
    constant="analysis.references.constant:most_frequent",
    gate="steps.gate:accuracy",
)
