"""Two samples of known truth: the same rings tagged, others untagged with rings or without."""

import sys
from pathlib import Path

import numpy as np

from tinygrad_astro.morphology.drawn import draw_cutouts

FOLDER = Path(__file__).parent.parent / "benchmarks"


def test_the_two_samples_differ_in_rings_that_nobody_tagged(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import bench_ring_tags

    for name, value in {"TAGGED": 9, "DRAWN": 90, "SIZE": 24}.items():
        monkeypatch.setattr(bench_ring_tags, name, value)
    made = draw_cutouts(90, 24, bench_ring_tags.SEED)
    true = dict(zip(made.identifier, made.features[:, 0], strict=True))
    clean, hidden = bench_ring_tags.samples().values()
    for sample, rings in ((clean, 0), (hidden, 4)):
        assert len(sample) == 18 and sample.ring.sum() == 9
        has = np.array([true[name] for name in sample.identifier])
        assert has[sample.ring == 1].all() and has[sample.ring == 0].sum() == rings
    np.testing.assert_array_equal(clean.pictures[:14], hidden.pictures[:14])
    sys.modules.pop("bench_ring_tags")
