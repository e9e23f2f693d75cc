"""Replays of published questions through the semantic tier, and the making of its prior."""
