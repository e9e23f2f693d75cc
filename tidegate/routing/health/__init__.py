"""The health of targets and credentials."""
