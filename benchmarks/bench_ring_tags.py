"""What noisy tags cost: the cross-validation of real cut-outs, on drawn ones of known truth.

    python benchmarks/bench_ring_tags.py

As many galaxies as the real sample has, half of them tagged, the same networks, from scratch and
after learning from other drawn galaxies. Once all rings are tagged; once half of the untagged have
a ring that nobody tagged. Writes `results/morphology_tags.json`.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygrad_astro.kernels.cpu.target import get_num_threads
from tinygrad_astro.morphology.drawn import FEATURES, draw_cutouts
from tinygrad_astro.morphology.ring_run import judge_rings
from tinygrad_astro.morphology.rings import Rings
from tinygrad_astro.morphology.transfer import RingRecipe, cross_validate, pretrain

RESULTS = Path(__file__).parent / "results" / "morphology_tags.json"
TAGGED, DRAWN, SIZE, SEED = 141, 1300, 56, 11


def samples() -> dict[str, Rings]:
    """Draw two samples with the same tagged galaxies: rings."""
    drawn = draw_cutouts(DRAWN, SIZE, SEED)
    ring, irregular = (drawn.features[:, FEATURES.index(n)] == 1 for n in ("ring", "irregular"))
    rings, plain, clumpy = (np.flatnonzero(kind) for kind in (ring, ~ring & ~irregular, irregular))
    half = TAGGED // 2
    untagged = {
        "all rings are tagged": plain[:half],
        "half of the untagged have rings": rings[TAGGED : TAGGED + half],
    }
    tag = np.repeat([1, 0], TAGGED)
    made = {}
    for name, others in untagged.items():
        rows = np.concatenate([rings[:TAGGED], clumpy[: TAGGED - half], others])
        votes = np.zeros((len(rows), 1), np.float32)  # its share of the loss is 0
        made[name] = Rings(drawn.pictures[rows], tag, votes, ("none",), drawn.identifier[rows])
    return made


def main() -> None:
    recipe = RingRecipe(fraction_share=0.0)
    start, _ = pretrain(replace(recipe, drawn=6000), SIZE)
    kept = ("objects", "fold_accuracy_mean", "fold_accuracy_std", "auc", "confusion", "tags")
    found: dict[str, dict] = {}
    for name, sample in samples().items():
        for how, begun in {"from scratch": None, "transfer": start}.items():
            probability, _, _, fold = cross_validate(sample, recipe, begun)
            judged = judge_rings(sample.ring, probability, fold)
            found.setdefault(name, {})[how] = {key: judged[key] for key in kept}
            print(name, how, found[name][how], flush=True)
    command = "python benchmarks/bench_ring_tags.py"
    told = {"command": command, "threads": get_num_threads(), "samples": found}
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
