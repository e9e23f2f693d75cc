"""Each cloud has the alarms of the alerts that are enabled, and no other ones."""

import pytest

from tidegate.alerts.cloud.files import APPLY, CLOUDS, Cloud, alarm_files
from tidegate.alerts.thresholds import AlertName, Thresholds

WORDS = {AlertName.SLOW: "callers wait", AlertName.ERRORS: "calls fail", AlertName.COST: "spends more"}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("alert", AlertName)
def test_only_enabled_alerts_have_alarms(cloud: Cloud, alert: AlertName) -> None:
    written = str(alarm_files(cloud, Thresholds(enabled=frozenset({alert})), namespace="Tidegate"))
    assert [name for name, words in WORDS.items() if words in written] == [alert]
    assert APPLY[cloud]
