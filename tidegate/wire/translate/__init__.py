"""The Responses API over a provider that only speaks chat completions: the question there, the answer back. Pure."""
