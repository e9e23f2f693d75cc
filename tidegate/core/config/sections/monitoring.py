"""`[monitoring]`: metrics."""

from pathlib import Path

from tidegate.core.config.section import Section


class MonitoringConfig(Section):
    """How metrics are exposed."""

    public_metrics: bool = False
    """`/metrics` answers without an admin key; for networks that only the scraper can reach."""
    workers_dir: Path | None = None
    """The directory in which the workers of one gateway exchange metrics; `tidegate serve --workers` makes one."""
