"""`/v1/realtime`: sessions as WebSockets, and the addresses that make client secrets."""
