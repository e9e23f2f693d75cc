"""API keys and projects: the package identifies the caller of a request."""
