"""The documents that OpenAI's API stores. No I/O."""
