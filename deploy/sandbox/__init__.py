"""The outside world for development: a phone network, a mailbox and a clock, by their real protocols."""
