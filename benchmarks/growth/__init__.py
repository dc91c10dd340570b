"""How costs grow: of whole jobs (`jobs`), and of training alone (`training`, a `point` a process); fitted by `fits`."""
