"""Builds what examines the gateway."""
