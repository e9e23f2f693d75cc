"""`/v1/responses` as a WebSocket: a connection on which responses follow one another, or run side by side."""
