"""An OpenAI that misbehaves on request: a tool to develop against, and the upstream of this project's tests.

It knows nothing of the gateway. `create_app` gives an ASGI app, `running` serves it on a loopback port.
"""

from tidegate.simulator.app import create_app
from tidegate.simulator.faults import Fault
from tidegate.simulator.options import Options
from tidegate.simulator.server import running

__all__ = ["Fault", "Options", "create_app", "running"]
