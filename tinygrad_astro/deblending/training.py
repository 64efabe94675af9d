"""Training of the sharing network on blends of simulated galaxies."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tinygrad_astro import optimizers, random, schedules
from tinygrad_astro.deblending.losses import SharedFlux
from tinygrad_astro.deblending.pairs import BANDS, PSFS, Draws, pool
from tinygrad_astro.deblending.sharing import Sharer, sharing_net


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Attributes
    ----------
    galaxies : int
        Simulated to make blends of, for each of the four PSFs.
    size : int
        Side of the stamps, in pixels.
    steps, batch : int
        Updates in all, and blends in each.
    rounds : int
        Into how many the steps are parted, for the progress bar.
    filters, depth : int
        As in `models.unet`.
    learning_rate : float
        Top of the one-cycle schedule, which a tenth of the steps climbs and the rest descends.
    seed : int

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    galaxies: int = 500
    size: int = 48
    steps: int = 2800
    batch: int = 16
    rounds: int = 20
    filters: int = 16
    depth: int = 3
    learning_rate: float = 0.004
    seed: int = 0

    def __post_init__(self):
        for name, least in {"galaxies": 3, "size": 24, "steps": 1, "batch": 1, "rounds": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least {least}")

    @property
    def steps_per_round(self) -> int:
        """Updates from one to the next."""
        return -(-self.steps // self.rounds)

    def to_dict(self) -> dict:
        """Give the numbers by name."""
        return asdict(self)


def train(
    recipe: Recipe, progress: Callable[[str, int, int], Any] | None = None
) -> tuple[Sharer, dict]:
    """Train on blends that are put together anew in every batch.

    Parameters
    ----------
    recipe : Recipe
    progress : callable, optional
        Called as `progress(stage, done, total)`.

    Returns
    -------
    Sharer
    dict of str to list
        Losses by round.
    """
    tell = progress or (lambda stage, done, total: None)
    random.manual_seed(recipe.seed)
    pools = []
    for number, psf in enumerate(PSFS):
        start = number * recipe.galaxies
        pools.append(pool(recipe.galaxies, recipe.size, psf, recipe.seed, start))
        tell("simulating", number + 1, len(PSFS))
    draws = Draws(pools, recipe.size, recipe.batch, recipe.steps_per_round, recipe.seed)
    model = sharing_net(len(BANDS), recipe.filters, recipe.depth)
    updates = max(recipe.rounds * len(draws), 2)
    rate = schedules.OneCycle(recipe.learning_rate, updates, warmup_fraction=0.1)
    model.compile(optimizers.Adam(rate, global_clipnorm=1.0), SharedFlux())
    history: dict[str, list] = {}
    for number in range(recipe.rounds):
        found = model.fit(draws, epochs=number + 1, initial_epoch=number, verbose=0)
        for name, values in found.history.items():
            history.setdefault(name, []).extend(values)
        tell("learning", number + 1, recipe.rounds)
    model.metadata["recipe"] = recipe.to_dict()
    return Sharer(model, tuple(BANDS)), history
