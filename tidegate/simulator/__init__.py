"""An OpenAI that fails on request: a tool for development, and the upstream of this project's tests.

It does not use the gateway. `create_app` returns an ASGI app, `running` serves it on a loopback port.
"""

from tidegate.simulator.app import create_app
from tidegate.simulator.faults import Fault
from tidegate.simulator.options import Options
from tidegate.simulator.server import running

__all__ = ["Fault", "Options", "create_app", "running"]
