"""OpenAI's stateful endpoints."""
