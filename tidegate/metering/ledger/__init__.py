"""The way of a ledger entry from the call into PostgreSQL."""
