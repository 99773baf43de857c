"""Assessment: what is known becomes a signed decision."""
