"""A Secrets Manager on a port of its own (`moto_server`), shared by the tests that call it over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION}


@contextmanager
def running_manager() -> Iterator[str]:
    """Run it on a free port, with no secret in it; yield its address."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        urlopen(f"http://{host}:{port}/moto-api/reset", data=b"", timeout=10).close()  # loopback, http
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client_of(url: str) -> Any:
    """Return Amazon's own client."""
    options = {"region_name": REGION, "aws_access_key_id": "AKIATEST", "aws_secret_access_key": "secret"}
    return boto3.client("secretsmanager", endpoint_url=url, **options)


def stages_of(manager: Any, name: str) -> dict[str, str]:
    """Return the value of the version with each label."""
    versions = manager.describe_secret(SecretId=name)["VersionIdsToStages"]
    return {
        stage: manager.get_secret_value(SecretId=name, VersionId=version)["SecretString"]
        for version, stages in versions.items()
        for stage in stages
    }
