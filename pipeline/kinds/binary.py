"""One of two classes, by a single logit."""

from pipeline.kinds.base import Kind

KIND = Kind(
    form="classes",
    activation="sigmoid",
    primary="accuracy",
    losses={"cross_entropy": "model.losses:BinaryCrossEntropy"},
    tally="training.tallies:BinaryTally",
    scorer="analysis.class_scores:ClassScorer",
    decision="serving.decisions:Binary",
    constant="analysis.references.constant:most_frequent",
    gate="steps.gate:accuracy",
    single=True,
    two_classes=True,
)
