"""The measurements that the README cites, each one command: `python -m benchmarks.one_model` and so on.

Contenders take turns in every repeat, so that a busy moment of the machine falls on all of them; ratios are taken
within a repeat, and their median is what counts. Results go to `benchmarks/results/` as Parquet and as a figure;
`python -m benchmarks.table` prints the README's table from them.
"""
