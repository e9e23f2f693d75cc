"""Rate limits, budgets and reservations: they decide whether a caller may spend now."""
