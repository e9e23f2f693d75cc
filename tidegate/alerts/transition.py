"""The states of the alerts: each fires once and resolves once, no matter which process judges. No I/O, no clock."""

import msgspec

from tidegate.alerts.judgement import Judgement
from tidegate.alerts.thresholds import AlertName

SOON_WINDOWS = 6
"""An alert that fires again within so many windows is unsteady."""
MAX_CALM_WINDOWS = 8


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, as all processes know it."""

    alert: AlertName
    is_firing: bool = False
    since: float = 0.0
    """Unix seconds since when the alert is firing, or is not."""
    calm_since: float = 0.0
    """Since when the measure of a firing alert is below 80 % of the threshold; 0 while it is not."""
    calm_windows: int = 1
    """For how many windows it must be calm to resolve: doubled each time that it fires again soon."""
    is_announced: bool = False
    """Whether the last message said that it fires; muting makes this differ from `is_firing` for a time."""
    day: str = ""
    """The last day for which `cost` fired."""
    version: int = 0
    """Grows with each change, so that of two processes that change a state one is refused."""
    judgement: Judgement | None = None
    """The figures at the last change from or to firing."""


class Step(msgspec.Struct, frozen=True):
    """What one judgement makes of a state."""

    state: AlertState
    message: bool = False
    """Whether the state has to be announced."""


def step(state: AlertState, judgement: Judgement, *, now: float, window_seconds: float, muted: bool) -> Step:
    """Return the next state, which is the same one where nothing changed."""
    changed = _after(state, judgement, now=now, window_seconds=window_seconds)
    announce = not muted and changed.is_firing != changed.is_announced
    if announce:
        changed = msgspec.structs.replace(changed, is_announced=changed.is_firing)
    if changed == state:
        return Step(state)
    return Step(msgspec.structs.replace(changed, version=state.version + 1), announce)


def _after(state: AlertState, judgement: Judgement, *, now: float, window_seconds: float) -> AlertState:
    if state.is_firing:
        is_long = _is_calm_for_long(state, judgement, now, window_seconds)
        ended = judgement.day > state.day if judgement.day else is_long  # a day's spending ends with the day
        return _resolved(state, judgement, now) if ended else _calm_or_not(state, judgement, now)
    if not judgement.is_over or (judgement.day and judgement.day <= state.day):  # once a day, whatever the clocks
        return state
    is_soon = state.since > 0 and now - state.since < SOON_WINDOWS * window_seconds
    return msgspec.structs.replace(
        state,
        is_firing=True,
        since=judgement.since or now,
        calm_since=0.0,
        calm_windows=min(2 * state.calm_windows, MAX_CALM_WINDOWS) if is_soon else 1,
        day=judgement.day,
        judgement=judgement,
    )


def _is_calm_for_long(state: AlertState, judgement: Judgement, now: float, window_seconds: float) -> bool:
    is_calm = judgement.is_calm and state.calm_since > 0
    return is_calm and now - state.calm_since >= state.calm_windows * window_seconds


def _calm_or_not(state: AlertState, judgement: Judgement, now: float) -> AlertState:
    if judgement.day or judgement.is_calm == (state.calm_since > 0):
        return state
    return msgspec.structs.replace(state, calm_since=now if judgement.is_calm else 0.0)


def _resolved(state: AlertState, judgement: Judgement, now: float) -> AlertState:
    return msgspec.structs.replace(state, is_firing=False, since=now, calm_since=0.0, judgement=judgement)
