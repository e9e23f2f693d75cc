"""The queue in front of the upstream: it shares the capacity fairly and decides when a request is sent."""
