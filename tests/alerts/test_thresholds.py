"""A model may have its own threshold; all others share one."""

from tidegate.alerts.thresholds import OTHER_MODELS, AlertName, Thresholds


def test_a_group_has_its_own_threshold_or_the_common_one() -> None:
    thresholds = Thresholds(model_ms={"o3": 60_000})
    assert [thresholds.of_group(group) for group in ("o3", OTHER_MODELS, "gpt-4o")] == [60_000, 5_000, 5_000]


def test_there_are_exactly_three_alerts() -> None:
    assert [name.value for name in AlertName] == ["slow", "errors", "cost"]
    assert Thresholds().enabled == set(AlertName)
