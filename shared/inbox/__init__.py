"""Events in: every event of a producer applied once, in order, or seen to be missing."""
