"""A BIO tag for every token of a sentence."""

from pipeline.kinds.base import Kind

KIND = Kind(
    form="tags",
    activation="softmax",
    primary="entity_f1",
    losses={"cross_entropy": "model.losses:CrossEntropy"},
    tally="training.tallies:TagTally",
    scorer="analysis.tag_scores:TagScorer",
    decision="serving.decisions:Tags",
    constant="analysis.references.constant:most_frequent",
    gate="steps.gate:entity_f1",
)
