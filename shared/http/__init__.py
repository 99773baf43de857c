"""HTTP in: one app factory, one shape of error, one way to know who asks."""
