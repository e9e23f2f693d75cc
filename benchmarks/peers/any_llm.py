"""any-llm's gateway, with a key and its accounting in SQLite. 1.14.0 is the last release of the package that has it."""

import contextlib
import json
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.peers import starting
from benchmarks.peers.installing import Package
from benchmarks.peers.peer import Peer, Running, Site
from benchmarks.target import Target

_PACKAGE = Package(
    installer="pip", name="any-llm-sdk", extra="gateway", version="1.14.0", program="bin/any-llm-gateway"
)
_WARNINGS = "30"
"""Its number for a log of warnings."""


@contextlib.contextmanager
def _serving(site: Site) -> Iterator[Running]:
    master = secrets.token_hex(24)
    root = f"http://127.0.0.1:{site.port}"
    with tempfile.TemporaryDirectory(prefix="any-llm-", dir=site.folder, ignore_cleanup_errors=True) as folder:
        config = Path(folder) / "any-llm.yaml"
        config.write_text(json.dumps(_configuration(site, Path(folder), master)))  # JSON is YAML
        command = [str((site.installed / _PACKAGE.program).absolute()), "serve", "--config", str(config)]
        command += ["--log-level", _WARNINGS]
        with processes.running("any-llm", command, core=site.cores.gateway, folder=site.folder) as program:
            processes.until_up(program, f"{root}/health", seconds=300.0)
            made = processes.post(f"{root}/v1/keys", b'{"key_name":"bench"}', master)
            key = str(json.loads(made)["key"])
            target = Target(url=starting.chat_url(site.port), key=key, model=f"openai:{starting.MODEL}")
            yield starting.first_answer(program, target)


def _configuration(site: Site, folder: Path, master: str) -> dict[str, object]:
    upstream = f"http://127.0.0.1:{site.upstream_port}/v1"
    price = {"input_price_per_million": 0.15, "output_price_per_million": 0.6}
    return {
        "database_url": f"sqlite:///{folder.resolve()}/any-llm.db",
        "host": "127.0.0.1",
        "port": site.port,
        "master_key": master,
        "bootstrap_api_key": False,
        "providers": {"openai": {"api_key": "sk-bench", "api_base": upstream}},
        "pricing": {f"openai:{starting.MODEL}": price},
    }


ANY_LLM = Peer(name="any-llm", package=_PACKAGE, settings="one key, accounting in SQLite", serving=_serving, streams=20)
