"""The ways to PostgreSQL and Redis: pooled, bounded in time, foreign exceptions converted here."""
