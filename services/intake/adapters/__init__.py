"""Outside parties behind a small port."""
