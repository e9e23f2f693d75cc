"""OpenAI's stateful endpoints: stored completions, responses and conversations."""
