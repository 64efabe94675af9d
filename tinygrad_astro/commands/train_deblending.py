"""`tinygrad-astro train deblending`: share the light of blended galaxies out, pixel by pixel."""

from tinygrad_astro.commands.arguments import count, describe, seed, stages

EXAMPLE = "tinygrad-astro train deblending --out run"


def add(tasks) -> None:
    """Describe the arguments."""
    one = describe(
        tasks,
        "deblending",
        "fluxes of blended galaxies: a U-Net that gives each source its share of every pixel, "
        "learned from simulated blends, judged on other pairs beside aperture photometry with sep",
        EXAMPLE,
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figures"
    )
    one.add_argument(
        "--blend",
        metavar="NPZ",
        help="a real blend to take apart: images, variance, filters, catalog",
    )
    one.add_argument("--steps", type=count, help="updates in all (default 2800)")
    one.add_argument(
        "--galaxies", type=count, help="simulated for the blends, per PSF of four (default 500)"
    )
    one.add_argument("--judged", type=count, default=1000, help="pairs to judge on (default 1000)")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_deblending)


def run_deblending(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.deblending.blend import read_blend
    from tinygrad_astro.deblending.pairs import BANDS
    from tinygrad_astro.deblending.run import run
    from tinygrad_astro.deblending.training import Recipe
    from tinygrad_astro.extras import optional

    optional("matplotlib")
    chosen = {"steps": arguments.steps, "galaxies": arguments.galaxies}
    recipe = Recipe(seed=arguments.seed, **{k: v for k, v in chosen.items() if v is not None})
    blend = read_blend(arguments.blend, tuple(BANDS)) if arguments.blend else None
    title = f"{arguments.judged} blended pairs that the network never saw"
    with stages() as tell:
        metrics = run(recipe, arguments.out, title, arguments.judged, blend, tell)
    names = {"all": "all sources", "both": "sep detects both", "strong": "strong blends"}
    print(f"{'mean absolute flux error':<26}{'network':>10}{'sep':>10}")
    for key, name in names.items():
        network, aperture = (metrics[method][key] for method in ("network", "aperture"))
        if network["sources"]:
            errors = (one["mean_absolute_error"] for one in (network, aperture))
            ratio = metrics["improvement"][key]
            print(f"{name:<26}" + "".join(f"{e:>10.1%}" for e in errors) + f"   {ratio:.1f} times")
    more = ", blend.png" if blend else ""
    print(f"written to {arguments.out}: model.safetensors, metrics.json, figure.png{more}")
