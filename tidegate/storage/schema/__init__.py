"""The steps of the schema, and how they are applied."""
