"""Whether the answer on public data turns with the recipe, and whether networks there reach what other ways reach.

Read in this order: `tables` (the data), `drawn` (those that a seed picked), `recipes` (how a job is run), `job` (one
job), `loop` (a plain training loop), `judged` (what is asked of the answers), and `__main__`, the command.
"""
