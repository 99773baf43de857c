"""Use cases of intake. Each is given an open transaction; none commits."""
