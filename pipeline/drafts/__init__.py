"""Drafts: from a user's files to the text of an experiment, every guess explained in a comment."""
