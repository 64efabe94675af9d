"""The ceiling of tags, where it is known: galaxies that look alike, and a share of them tagged."""

import numpy as np
import pytest

from tinygrad_astro.morphology.ceiling import tag_ceiling


def mixture(rng, alike, n=4000, apart=3.0):
    """Give tags and scores: tagged rings, and others of which a share are rings all the same."""
    ring = np.concatenate([np.ones(n, bool), rng.random(n) < alike])
    tag = np.repeat([1, 0], n)
    score = rng.normal(np.where(ring, apart, -apart))
    return tag, 1 / (1 + np.exp(-score))


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.6])
def test_a_known_share_is_found(rng, alike):
    found = tag_ceiling(*mixture(rng, alike))
    assert found["alike"] == pytest.approx(alike, abs=0.03)
    assert found["ceiling"] == pytest.approx(1 - alike / 2, abs=0.015)
    if alike:
        assert abs(found["auc_inside"] - 0.5) < 4 * found["auc_inside_error"]


def test_no_classifier_does_better_than_the_ceiling(rng):
    """The truth itself, ring or not, against tags of a random part."""
    n, alike = 20000, 0.5
    ring = np.concatenate([np.ones(n, bool), rng.random(n) < alike])
    tag = np.repeat([1, 0], n)
    found = tag_ceiling(tag, np.where(ring, 0.9, 0.1))
    assert (ring == tag).mean() == pytest.approx(found["ceiling"], abs=1e-9)


def test_errors_are_those_of_repeated_draws():
    found = [tag_ceiling(*mixture(np.random.default_rng(k), 0.5, 150)) for k in range(300)]
    for name, scatter in (("ceiling", "ceiling_error"), ("auc_inside", "auc_inside_error")):
        told = np.mean([one[scatter] for one in found])
        assert np.std([one[name] for one in found]) == pytest.approx(told, rel=0.2)


def test_tags_that_follow_what_is_seen_show_inside(rng):
    score = rng.uniform(0, 1, 4000)
    found = tag_ceiling((rng.random(4000) < score).astype(int), score)
    assert found["auc_inside"] > 0.5 + 4 * found["auc_inside_error"]


def test_a_missing_kind_gives_none():
    for tag in ([1, 1], [0, 0]):
        assert tag_ceiling(tag, [0.9, 0.2])["ceiling"] is None


def test_shapes_and_tags_are_checked():
    with pytest.raises(ValueError, match=r"tags of shape \(2,\) and probabilities of shape \(3,\)"):
        tag_ceiling([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="tags of 0 or 1"):
        tag_ceiling([0, 2], [0.1, 0.2])
