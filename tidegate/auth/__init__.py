"""Who calls: API keys and projects."""
