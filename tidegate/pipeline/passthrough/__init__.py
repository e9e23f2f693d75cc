"""The way of one call to an operation that passes through. `story.py` has its steps in their order."""
