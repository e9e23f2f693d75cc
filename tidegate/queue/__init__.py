"""The upstream's capacity, shared fairly: the queue decides when a call may be sent."""
