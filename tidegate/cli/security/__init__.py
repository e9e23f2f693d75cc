"""Commands about secrets: where they are, and where they must not be."""
