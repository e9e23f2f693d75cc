"""Builds the objects of each package; `tidegate.app` connects them."""
