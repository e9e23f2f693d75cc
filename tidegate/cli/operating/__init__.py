"""Commands for the operation of the gateway: what happens now, and what should wake a person."""
