"""What all processes share of the semantic tier: the account in Redis, and the changes of scopes in PostgreSQL."""
