"""Whether the first line is right: jobs whose truth is known, run through the product's own steps.

Read in this order: `families` (what the data are), `job` (how one is run), `truth` (what is so of each family),
`judged` (what is asked of the answers), and `__main__`, the command.
"""
