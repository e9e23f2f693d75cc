"""What OpenAI's stored objects look like. Pure."""
