"""What did it cost: tokens, prices, and the ledger's way from an answer to PostgreSQL."""
