"""Storage of conversations in PostgreSQL."""
