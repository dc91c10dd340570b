"""Modules of torch that trunks are made of; a copy goes into the models that have them."""
