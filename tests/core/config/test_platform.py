"""The grace follows the platform, so that answers end before the platform kills the process."""

from pathlib import Path

import pytest

from tidegate.core.config.platform import (
    CLOUD_RUN,
    CONTAINER_APPS,
    DOCKER,
    ECS,
    KUBERNETES,
    Platform,
    detected_platform,
    grace_seconds,
)


@pytest.mark.parametrize(
    ("environ", "platform", "grace"),
    [
        ({"K_SERVICE": "tidegate"}, CLOUD_RUN, 8),
        ({"CONTAINER_APP_NAME": "tidegate", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, CONTAINER_APPS, 28),
        ({"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1"}, ECS, 28),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, KUBERNETES, 28),
        ({"K_SERVICE": ""}, None, 30),
        ({}, None, 30),
    ],
)
def test_a_platform_is_told_by_its_variables(
    tmp_path: Path, environ: dict[str, str], platform: Platform | None, grace: int
) -> None:
    assert detected_platform(environ, tmp_path) is platform
    assert grace_seconds(environ, tmp_path) == grace


def test_docker_is_told_by_its_file_and_only_where_no_other_is(tmp_path: Path) -> None:
    (tmp_path / ".dockerenv").touch()
    assert detected_platform({}, tmp_path) is DOCKER
    assert grace_seconds({}, tmp_path) == 8
    assert detected_platform({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path) is KUBERNETES
