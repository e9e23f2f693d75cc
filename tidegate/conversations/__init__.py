"""What was said: conversations, responses and completions, kept in the team's own PostgreSQL."""
