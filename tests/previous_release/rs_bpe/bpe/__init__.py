"""The package's module of that name."""
