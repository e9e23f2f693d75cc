"""Which model names a metric shows. Callers choose them, so only known ones are shown; the rest is `other`."""

from collections.abc import Collection

OTHER = "other"
NONE = "none"
"""Stands for a label without a value, such as the provider of a call that was refused."""


class ModelNames:
    """The model names that metrics show: the configured ones, and listed ones that an upstream answered."""

    def __init__(self, configured: Collection[str], listed: Collection[str] = (), *, max_listed: int) -> None:
        """Show `configured` always, and of `listed` the first `max_listed` for which a call was answered."""
        self._shown = set(configured)
        self._listed = frozenset(listed)
        self._free = max_listed

    def label(self, model: str, *, answered: bool) -> str:
        """Return the label's value for the model of a call, which an upstream `answered` or not."""
        if not model:
            return NONE
        if model in self._shown:
            return model
        if not answered or not self._free or model not in self._listed:
            return OTHER
        self._free -= 1
        self._shown.add(model)
        return model
