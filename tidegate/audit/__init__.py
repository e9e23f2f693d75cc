"""Who did what: a line for each administrative act, and for each reading of stored conversations."""
