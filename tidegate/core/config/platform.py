"""How long the platform waits between SIGTERM and SIGKILL, where that can be seen."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

DEFAULT_GRACE_SECONDS = 30
"""Where no platform is recognised."""
_MARGIN_SECONDS = 2
"""For the ledger, after the last answer."""


class Platform(msgspec.Struct, frozen=True):
    """A platform, and the seconds that it waits by default."""

    name: str
    stop_seconds: int

    @property
    def grace_seconds(self) -> int:
        """The seconds in which answers may end."""
        return self.stop_seconds - _MARGIN_SECONDS


CLOUD_RUN = Platform("Cloud Run", 10)
KUBERNETES = Platform("Kubernetes", 30)
CONTAINER_APPS = Platform("Azure Container Apps", 30)
ECS = Platform("Amazon ECS", 30)
DOCKER = Platform("Docker", 10)

_BY_VARIABLE = (
    ("K_SERVICE", CLOUD_RUN),
    ("CONTAINER_APP_NAME", CONTAINER_APPS),
    ("ECS_CONTAINER_METADATA_URI_V4", ECS),
    ("KUBERNETES_SERVICE_HOST", KUBERNETES),
)
"""Variables that the platforms set in each container. Cloud Run and Container Apps come first: they may set others'."""
_DOCKER_MARK = ".dockerenv"
"""A file that Docker creates in the root of each container."""


def detected_platform(environ: Mapping[str, str], root: Path) -> Platform | None:
    """Return the platform that runs this process; None if it is none of the known ones. `root` is the file system's."""
    for variable, platform in _BY_VARIABLE:
        if environ.get(variable):
            return platform
    return DOCKER if (root / _DOCKER_MARK).exists() else None


def grace_seconds(environ: Mapping[str, str], root: Path) -> int:
    """Return the time that answers may take after SIGTERM on the platform that runs this process."""
    platform = detected_platform(environ, root)
    return platform.grace_seconds if platform else DEFAULT_GRACE_SECONDS
