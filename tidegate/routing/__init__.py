"""Which target a call is sent to next."""
