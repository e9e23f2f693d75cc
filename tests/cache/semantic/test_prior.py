"""The shipped prior is read as it was made, and one for other features is refused."""

import msgspec
import pytest

from tidegate.cache.semantic.candidates import FEATURES
from tidegate.cache.semantic.prior import Prior, UnusablePrior, read_prior, shipped_prior

_STUMP = Prior(
    features=FEATURES,
    feature=(0, -1, -1),
    threshold=(0.5, 0.0, 0.0),
    left=(1, 0, 0),
    right=(2, 0, 0),
    value=(0.0, -2.0, 3.0),
    roots=(0, 0),
)


@pytest.mark.parametrize(("cosine", "score"), [(0.4, -4.0), (0.5, -4.0), (0.6, 6.0)])
def test_the_leaves_of_all_trees_are_summed(cosine: float, score: float) -> None:
    assert _STUMP.score((cosine, *(0.0 for _ in FEATURES[1:]))) == score


def test_the_shipped_prior_names_its_sources_and_their_licences() -> None:
    prior = shipped_prior()

    assert len(prior.roots) == 100
    assert len(prior.sources) == 4
    assert all(" CC BY" in source or " CDLA" in source for source in prior.sources)


def test_the_shipped_prior_prefers_the_nearer_answer() -> None:
    near = dict.fromkeys(FEATURES, 0.0) | {"cosine": 0.95, "margin": 0.4, "vote": 1.0, "jaccard": 1.0, "coverage": 1.0}
    far = near | {"cosine": 0.3, "margin": -0.2, "vote": 0.1, "jaccard": 0.0, "coverage": 0.2}

    assert shipped_prior().score(tuple(near.values())) > shipped_prior().score(tuple(far.values())) + 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        msgspec.json.encode(msgspec.structs.replace(_STUMP, features=("cosine",))),
    ],
)
def test_a_prior_that_does_not_fit_is_refused_with_what_to_do(text: bytes) -> None:
    with pytest.raises(UnusablePrior, match="make semantic-prior"):
        read_prior(text)
