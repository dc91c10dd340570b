"""A number, standardised by the training targets."""

from pipeline.kinds.base import Kind

KIND = Kind(
    form="numbers",
    activation="identity",
    primary="r2",
    losses={
        "squared": "model.losses:SquaredError",
        "absolute": "model.losses:AbsoluteError",
        "huber": "model.losses:Huber",
    },
    tally="training.tallies:NumberTally",
    scorer="analysis.number_scores:NumberScorer",
    decision="serving.decisions:Number",
    constant="analysis.references.constant:mean",
    gate="steps.gate:r2",
    single=True,
)
