"""Drafts: the text of an experiment file for data that somebody has, with every guess explained in a comment."""
