"""Scheduling: a decision becomes booked people, rooms and times."""
