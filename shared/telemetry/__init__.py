"""Logs without PHI, traces, metrics."""
