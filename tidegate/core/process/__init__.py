"""The life of one process: how it ends, and how its memory is managed."""
