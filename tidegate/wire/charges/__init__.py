"""What an answer says that it is charged for: tokens, and the use of tools. Pure."""
