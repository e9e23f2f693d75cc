"""LiteLLM's proxy, kept off the network, without a database; with answers in a Redis of its own, or without."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from benchmarks.peers import starting
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Running, Site
from benchmarks.target import Target

_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
"""Without the first it fetches its price list at every start."""
_PACKAGE = Package(installer="pip", name="litellm", extra="proxy", program="bin/litellm")


@contextlib.contextmanager
def _plain(site: Site) -> Iterator[Running]:
    with _proxy("litellm", site, {}) as running:
        yield running


@contextlib.contextmanager
def _cached(site: Site) -> Iterator[Running]:
    cache = {"type": "redis", "host": "127.0.0.1", "port": site.redis_port, "ttl": 3600}
    with (
        starting.redis(site, "litellm") as stores,
        _proxy("litellm-cached", site, {"cache": True, "cache_params": cache}) as running,
    ):
        yield Running(
            program=running.program,
            target=running.target,
            start_seconds=running.start_seconds,
            idle_bytes=running.idle_bytes,
            stores=stores,
        )


@contextlib.contextmanager
def _proxy(name: str, site: Site, settings: dict[str, object]) -> Iterator[Running]:
    key = f"sk-{secrets.token_hex(24)}"
    upstream = f"http://127.0.0.1:{site.upstream_port}/v1"
    model = {"model": f"openai/{starting.MODEL}", "api_base": upstream, "api_key": "sk-bench"}
    config = {
        "model_list": [{"model_name": starting.MODEL, "litellm_params": model}],
        "general_settings": {"master_key": key},
        "litellm_settings": {"telemetry": False, **settings},
    }
    path = site.folder / f"{name}.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    command = [str((site.installed / _PACKAGE.program).absolute()), "--config", str(path), "--host", "127.0.0.1"]
    command += ["--port", str(site.port), "--num_workers", "1"]
    target = Target(url=starting.chat_url(site.port), key=key, model=starting.MODEL)
    with starting.answering(name, command, _OFFLINE, target, site) as running:
        yield running


PLAIN = Peer(
    name="litellm",
    package=_PACKAGE,
    settings="one key, no database",
    serving=_plain,
    streams=20,
)
CACHED = Peer(
    name="litellm-cached",
    package=_PACKAGE,
    settings="the same, with answers in a Redis",
    serving=_cached,
    kinds=("hit",),
    streams=0,
)
