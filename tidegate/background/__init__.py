"""Background responses: durable jobs, run by whichever process has room, and their streams, read from any."""
