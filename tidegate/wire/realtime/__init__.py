"""Realtime sessions: what the events of both sides say, and how large a conversation is. Pure."""
