"""Stored conversations, responses and completions, in the team's own PostgreSQL."""
