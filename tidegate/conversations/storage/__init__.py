"""How conversations are stored in PostgreSQL."""
