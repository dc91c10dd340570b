"""What all benchmarks share: taking turns, describing the machine, data, scratch projects, results."""
