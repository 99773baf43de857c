"""Every SQL statement of the dashboard."""
