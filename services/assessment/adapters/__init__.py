"""Outside systems behind a port: the payer."""
