"""Other gateways, each installed by its registry's own client into a folder of its own, with its leanest settings."""
