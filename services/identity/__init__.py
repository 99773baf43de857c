"""Who staff are: accounts, second factor, tokens."""
