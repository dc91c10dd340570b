"""Kinds of task: each is one definition, found by its name.

A kind is a file here that is named like it and holds its `KIND`; its settings are a class in `pipeline.config.tasks`.
Nothing here is heavy: what implements a concern is named, and imported when it is used. A model package carries copies
of the kinds of its tasks, so nothing of this package is imported here but this folder.
"""

from pipeline.kinds.base import Activation, Form, Kind, kind_of

__all__ = ["Activation", "Form", "Kind", "kind_of"]
