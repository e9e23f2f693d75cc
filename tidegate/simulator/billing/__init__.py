"""What the simulated provider charges."""
