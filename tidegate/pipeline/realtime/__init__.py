"""Realtime sessions: opened within limits and budgets, bridged event by event, and metered as they go."""
