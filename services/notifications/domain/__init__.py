"""What to say and when, and what an answer means. Pure: no I/O, time is an argument."""
