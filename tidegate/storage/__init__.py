"""PostgreSQL and Redis, and what runs inside them: SQL, Lua and migrations."""
