"""Portkey's gateway, run by Node. The provider and its address come with each call."""

import contextlib
from collections.abc import Iterator

from benchmarks.peers import starting
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Running, Site
from benchmarks.target import Target

_PACKAGE = Package(
    installer="npm",
    name="@portkey-ai/gateway",
    program="node_modules/@portkey-ai/gateway/build/start-server.js",
)


@contextlib.contextmanager
def _serving(site: Site) -> Iterator[Running]:
    upstream = f"http://127.0.0.1:{site.upstream_port}/v1"
    command = ["node", str(site.installed / _PACKAGE.program), f"--port={site.port}", "--headless"]
    target = Target(
        url=starting.chat_url(site.port),
        key="sk-bench",
        model=starting.MODEL,
        headers={"x-portkey-provider": "openai", "x-portkey-custom-host": upstream},
    )
    with starting.answering("portkey", command, {"NODE_ENV": "production"}, target, site) as running:
        yield running


PORTKEY = Peer(name="portkey", package=_PACKAGE, settings="no keys, no accounting", serving=_serving)
