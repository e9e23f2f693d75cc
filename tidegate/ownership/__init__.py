"""Whose an object is that a project made at an upstream, and which account has it."""
