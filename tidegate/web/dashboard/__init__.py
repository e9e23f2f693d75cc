"""The dashboard over HTTP: its page, its sessions and its stream of events."""
