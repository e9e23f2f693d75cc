"""Rate limits, budgets and reservations: the package decides whether a caller's request is admitted."""
