"""Rows to score and their predictions, a batch at a time: CSV, Parquet and folders of images.

What is read and written is bounded in memory whatever the size of the files.
"""

from pipeline.data.tables.columns import pixel_columns as pixel_columns
