"""OpenAI's formats on the wire, pure: server-sent events, chat chunks, response events."""
