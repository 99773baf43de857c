"""Keys, sealing, look-up hashes and tokens."""
