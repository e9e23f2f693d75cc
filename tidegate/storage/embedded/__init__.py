"""Runs a real PostgreSQL and a real Redis with their data in a folder. Used by `tidegate run` and the tests."""

from tidegate.storage.embedded.folder import EmbeddedError, EmbeddedMissing
from tidegate.storage.embedded.redis import redis_binary
from tidegate.storage.embedded.stores import DEFAULT_FOLDER, StoreUrls, running

__all__ = ["DEFAULT_FOLDER", "EmbeddedError", "EmbeddedMissing", "StoreUrls", "redis_binary", "running"]
