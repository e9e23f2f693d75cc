"""Fingerprints of calls, and stored answers."""
