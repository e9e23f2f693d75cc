"""The routes of OpenAI's operations besides inference."""
