"""PostgreSQL, Redis, and all that runs inside them: SQL, Lua and migrations."""
