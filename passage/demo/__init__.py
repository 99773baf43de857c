"""`passage demo`: twelve patients on a stack of their own, played over its public doors."""
