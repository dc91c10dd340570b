"""Every method as its paper and its authors' code have it, written for the tests, in float64 and without torch."""
