"""Intake: a contact through any channel becomes one patient, once."""
