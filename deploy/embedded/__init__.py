"""The whole of Passage on one machine without Docker, as child processes."""
