"""References: what a good method without a network makes of the same rows, so that one sees what the network is worth.

Every task has the constant prediction. Tables have gradient boosting, texts TF-IDF and a linear model: each task by
itself, from the training rows alone, within a given time and a memory that is bounded whatever the data.
"""

from pipeline.analysis.references.constant import CONSTANT
from pipeline.analysis.references.scored import References, every_reference, references

__all__ = ["CONSTANT", "References", "every_reference", "references"]
