"""Each of several labels is there or not."""

from pipeline.kinds.base import Kind

KIND = Kind(
    form="labels",
    activation="sigmoid",
    primary="roc_auc",
    losses={"cross_entropy": "model.losses:BinaryCrossEntropy"},
    tally="training.tallies:LabelsTally",
    scorer="analysis.label_scores:LabelScorer",
    decision="serving.decisions:Labels",
    constant="analysis.references.constant:shares_of_labels",
    gate="steps.gate:mean_roc_auc",
    thresholds=True,
)
