"""Providers that speak OpenAI's API: OpenAI itself, Azure OpenAI, and compatible servers."""
