"""`headway affinity`: which tasks should share a network, and whether such groups do better."""
