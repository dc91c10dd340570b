"""The study: what is searched, who proposes and who is pruned, and the loop that trains trials in batches."""
