"""OpenAI's operations besides inference: what an organisation stores, and the jobs and media it makes."""
