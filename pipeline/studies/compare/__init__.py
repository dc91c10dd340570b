"""`headway compare`: ways to choose the task weights, each tuned alike, against single-task networks."""
