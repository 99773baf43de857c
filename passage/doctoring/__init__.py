"""`passage doctor`: one page on how the system is, for a person at three in the morning and for a monitor."""
