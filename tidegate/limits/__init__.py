"""Rate limits, budgets and reservations: may this caller spend now?"""
