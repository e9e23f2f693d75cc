"""Builds the parts of OpenAI's API beyond inference."""
