"""Metering: tokens, prices, and the way of a ledger entry from an answer to PostgreSQL."""
