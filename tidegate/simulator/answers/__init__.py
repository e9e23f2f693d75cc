"""The answers of the simulated models."""
