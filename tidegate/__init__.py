"""Tidegate: a backend with OpenAI's own API that queues, caches, accounts and survives."""

__version__ = "0.1.0"
