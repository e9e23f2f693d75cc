"""The same world and gateway as the gateway's own tests have."""

from tests.gateway.conftest import gateway, world

__all__ = ["gateway", "world"]
