"""The objects of what passes through: operations besides inference."""
