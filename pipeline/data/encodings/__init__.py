"""Encodings: what turns the rows of a source into arrays that a network reads, fitted on the training rows alone.

What an encoding knows stands in the manifest and in every model, which encodes rows to be predicted in the same way.
"""
