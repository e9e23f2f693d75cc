"""OpenAI's operations besides inference: one table, with what differs between them. Pure."""
