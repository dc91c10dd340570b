"""Drafts: what `headway init` writes. A look at the data becomes an experiment file that explains its every guess."""
