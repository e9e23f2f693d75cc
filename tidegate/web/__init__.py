"""HTTP in and out: the only home of FastAPI and of status codes."""
