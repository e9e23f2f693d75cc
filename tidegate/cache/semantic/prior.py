"""The shipped judgement of candidates: a small ensemble of trees, made by `benchmarks/semantic/prior.py`."""

from collections.abc import Sequence
from importlib import resources

import msgspec

from tidegate.cache.semantic.candidates import FEATURES


class UnusablePrior(Exception):
    """The file of the prior is not one, or was made for other features."""


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """Trees over a candidate's features, whose leaves are summed. Parallel lists, one item a node."""

    features: tuple[str, ...]
    feature: tuple[int, ...]
    """The feature that a node asks for; -1 for a leaf."""
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    """The node to go on with if the feature is at most the threshold."""
    right: tuple[int, ...]
    value: tuple[float, ...]
    """Of a leaf, what it adds."""
    roots: tuple[int, ...]
    sources: tuple[str, ...] = ()
    """The public data that it was made from, with their licences."""

    def score(self, features: Sequence[float]) -> float:
        """Return the logarithm of the odds that a candidate with these features answers the question."""
        asked, threshold, left, right = self.feature, self.threshold, self.left, self.right
        total = 0.0
        for root in self.roots:
            node = root
            while (index := asked[node]) >= 0:
                node = left[node] if features[index] <= threshold[node] else right[node]
            total += self.value[node]
        return total


def read_prior(text: bytes) -> Prior:
    """Return the prior that a file holds. Raises UnusablePrior."""
    try:
        prior = msgspec.json.decode(text, type=Prior)
    except msgspec.MsgspecError as error:
        raise UnusablePrior(f"The prior was not loaded: {error}. Make it again with `make semantic-prior`.") from None
    if prior.features != FEATURES:
        raise UnusablePrior("The prior was made for other features. Make it again with `make semantic-prior`.")
    return prior


def shipped_prior() -> Prior:
    """Return the prior in the package. Raises UnusablePrior."""
    return read_prior(resources.files("tidegate.cache.semantic").joinpath("prior.json").read_bytes())
