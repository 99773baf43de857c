"""Pure rules of intake: what was written, what it means, when a person answers."""
