"""The metrics need an admin key by default."""

from tidegate.core.config.sections.monitoring import MonitoringConfig


def test_metrics_are_not_public_by_default() -> None:
    assert MonitoringConfig().public_metrics is False
    assert MonitoringConfig().workers_dir is None
