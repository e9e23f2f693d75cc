"""What organisations store: files, uploads, vector stores, containers and skills."""
