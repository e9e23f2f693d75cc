"""The composition root's rooms: each makes what belongs together, `tidegate.app` puts the rooms together."""
