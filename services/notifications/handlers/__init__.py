"""Use cases; each gets an open transaction."""
