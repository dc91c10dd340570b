"""Whether tuning gains anything on small tables whose every row tests: public ones, cut down to several sizes.

Read in this order: `tables` (the data), `job` (one job), `judged` (what follows), and `__main__`, the command.
"""
