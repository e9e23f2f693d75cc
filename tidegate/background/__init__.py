"""Background responses: durable jobs in PostgreSQL that any process can run, and whose events any process can read."""
