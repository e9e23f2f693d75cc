"""A ledger entry's way from the call into PostgreSQL."""
