"""The queries of the release before: during an update its processes still run them, on the schema of the next."""
