"""What the ledger tells: single calls, and sums."""
