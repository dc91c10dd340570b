"""Modules of torch that trunks are made of; each file stands alone, for a copy of it goes into every model served."""
