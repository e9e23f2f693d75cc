"""Run by the interpreter that has TensorZero: start its gateway, say where it listens, and wait for the end.

`python tensorzero_launcher.py CONFIG`
"""

import signal
import sys

from tensorzero.tensorzero import _start_http_gateway  # type: ignore[import-not-found]  # in that environment alone

gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(f"address {gateway.base_url}", flush=True)
signal.sigwait({signal.SIGTERM})
