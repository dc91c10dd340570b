"""Ways to share beside one trunk for all tasks: from settings to layers that answer each task apart, one file a kind.

Experts and columns are copies of the trunk that the settings describe. A table's embeddings are no part of them: they
stay in front, and gates read what they answer.
"""

from pipeline.model.sharing.base import make_shared as make_shared
