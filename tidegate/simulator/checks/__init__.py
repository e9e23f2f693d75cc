"""What OpenAI refuses: each wrong request gets OpenAI's status, code and parameter."""
