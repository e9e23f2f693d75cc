"""Start a stand-in for each front door before a gateway that runs already."""

import argparse
import asyncio
import contextlib
from collections.abc import Sequence

from deploy.simulated_front.doors import DOORS, FrontDoor
from deploy.simulated_front.proxy import serving

_FIRST_PORT = 8100


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until the terminal's Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m deploy.simulated_front", description=__doc__)
    parser.add_argument("gateway", help="address of the gateway, as http://127.0.0.1:8080")
    parser.add_argument("--only", choices=[door.name for door in DOORS], help="start this one alone")
    parser.add_argument("--first-port", type=int, default=_FIRST_PORT, help=f"port of the first ({_FIRST_PORT})")
    parser.add_argument("--time-scale", type=float, default=1.0, help="what all times are multiplied by (1)")
    chosen = parser.parse_args(arguments)
    doors = [door.scaled(chosen.time_scale) for door in DOORS if chosen.only in (None, door.name)]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(doors, chosen.gateway, chosen.first_port))


async def _run(doors: Sequence[FrontDoor], gateway: str, first_port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number, door in enumerate(doors):
            address = await stack.enter_async_context(serving(door, gateway, port=first_port + number))
            print(f"{address}  {door.name}: {door.stands_for}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
