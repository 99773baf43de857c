"""Every SQL statement of scheduling, by subject."""
