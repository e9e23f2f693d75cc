"""An overview with little in it, for tests."""

from tidegate.dashboard.overview import Overview, SpendPanel, StoreLine, StoresPanel

OVERVIEW = Overview(
    at=0.0,
    range="1h",
    spend=SpendPanel(day_ends_at=1.0, month_ends_at=2.0, zone="UTC"),
    stores=StoresPanel(redis=StoreLine(state="ok"), postgresql=StoreLine(state="ok")),
)
