"""Sources, prepared (memory-mapped) splits, and batches."""
