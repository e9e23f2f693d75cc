"""The steps of one request, from the API key to the ledger."""
