"""The credentials with which this machine calls Amazon's services, and the region.

From the environment, the container's endpoint or the instance's, in the order of Amazon's own clients. Source:
docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html and feature-imds-credentials.html.
"""

import re
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.config.secret_errors import SecretRefused, SecretSourceUnavailable
from tidegate.core.scrub import remember_secret
from tidegate.secrets.sources.aws_signature import AwsCredentials
from tidegate.secrets.sources.http import decode, fetch

_CONTAINER = "http://169.254.170.2"
_CONTAINER_HOSTS = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "127.0.0.1", "::1"}
_INSTANCE = "http://169.254.169.254"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_MARGIN_SECONDS = 120.0
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_SHORT_SECONDS = 2.0
"""Off Amazon's machines the instance's address leads nowhere."""


class _RoleDocument(msgspec.Struct, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str
    expiration: datetime


class AwsRole:
    """The credentials of this machine; those that expire are read again in time."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._credentials: AwsCredentials | None = None
        self._ends_at = 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<AwsRole: {self._credentials}>"

    def forget(self) -> None:
        """Read the credentials anew the next time: the service refused these."""
        self._credentials = None

    def region(self, secret_name: str) -> str:
        """Return the region of a secret: that of its ARN, else the configured one. Raises SecretRefused."""
        parts = secret_name.split(":")
        named = parts[3] if parts[0] == "arn" and len(parts) > 3 else ""
        region = named or self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION") or ""
        if not _REGION.fullmatch(region):
            raise SecretRefused("there is no region for Secrets Manager. Set AWS_REGION.")
        return region

    def credentials(self) -> AwsCredentials:
        """Return credentials that are valid. Raises SecretError."""
        environ = self._environ
        if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
            token = environ.get("AWS_SESSION_TOKEN", "")
            return _remembered(AwsCredentials(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token))
        with self._lock:
            return self._role_credentials()

    def _role_credentials(self) -> AwsCredentials:
        if self._credentials is None or self._clock.now() >= self._ends_at:
            document = self._from_container() or self._from_instance()
            self._ends_at = document.expiration.timestamp() - _MARGIN_SECONDS
            read = AwsCredentials(document.access_key_id, document.secret_access_key, document.token)
            self._credentials = _remembered(read)
        return self._credentials

    def _from_container(self) -> _RoleDocument | None:
        path, url = (self._environ.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI", "") for kind in ("RELATIVE", "FULL"))
        if not path and not url:
            return None
        url = f"{_CONTAINER}{path}" if path else url
        address = urlsplit(url)
        if address.scheme != "https" and address.hostname not in _CONTAINER_HOSTS:
            raise SecretRefused("AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that is not this machine's.")
        return decode(fetch("GET", url, self._container_headers()), _RoleDocument, "the container's role")

    def _container_headers(self) -> dict[str, str]:
        token = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if file := self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            try:
                token = Path(file).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SecretRefused("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read.") from error
        remember_secret("the token of the container", token)
        return {"authorization": token} if token else {}

    def _from_instance(self) -> _RoleDocument:
        base = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _INSTANCE).rstrip("/")
        seconds = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        answer = fetch("PUT", f"{base}/latest/api/token", seconds, deadline_seconds=_SHORT_SECONDS)
        if not answer.is_success:
            raise SecretSourceUnavailable(f"the instance's metadata service answered {answer.status}.")
        headers = {"x-aws-ec2-metadata-token": answer.body.decode("latin-1").strip()}
        role = fetch("GET", base + _ROLE_PATH, headers, deadline_seconds=_SHORT_SECONDS)
        if not role.is_success:
            raise SecretRefused("the instance has no role.")
        name = role.body.decode("latin-1").splitlines()[0].strip() if role.body else ""
        answer = fetch("GET", base + _ROLE_PATH + name, headers, deadline_seconds=_SHORT_SECONDS)
        return decode(answer, _RoleDocument, "the instance's role")


def _remembered(credentials: AwsCredentials) -> AwsCredentials:
    remember_secret("the secret key of Amazon", credentials.secret_key)
    remember_secret("the session token of Amazon", credentials.session_token)
    return credentials
