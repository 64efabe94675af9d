"""`tinygrad-astro train sizes`: sizes and bulges of galaxies, beside profile fits."""

from tinygrad_astro.commands.arguments import count, describe, seed, stages

EXAMPLE = "tinygrad-astro train sizes --out run"


def add(tasks) -> None:
    """Describe the arguments."""
    one = describe(
        tasks,
        "sizes",
        "half-light radius, axis ratio, bulge fraction, bulge and disc radius with errors, from "
        "an image and its PSF: learned from simulated galaxies, judged on others beside "
        "least-squares profile fits, and on real cut-outs where they are given",
        EXAMPLE,
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figure"
    )
    one.add_argument(
        "--cutouts", metavar="NPZ", help="real cut-outs in the array `images`; needs --catalogue"
    )
    one.add_argument(
        "--catalogue", metavar="CSV", help="their r50_pix, sky_dn and sep_flag, in the same order"
    )
    one.add_argument(
        "--galaxies", type=count, help="how many to simulate to learn from (default 10000)"
    )
    one.add_argument("--epochs", type=count, help="passes over them (default 20)")
    one.add_argument(
        "--judged", type=count, default=1000, help="galaxies to measure and to fit (default 1000)"
    )
    one.add_argument(
        "--passes",
        type=count,
        default=0,
        help="judge Monte Carlo dropout, too, with so many passes (default: not)",
    )
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_sizes)


def run_sizes(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.sizes.run import run
    from tinygrad_astro.sizes.survey import read_cutouts
    from tinygrad_astro.sizes.training import Recipe

    optional("matplotlib")
    if (arguments.cutouts is None) != (arguments.catalogue is None):
        raise ValueError("--cutouts and --catalogue go together: the images and what is known")
    chosen = {"galaxies": arguments.galaxies, "epochs": arguments.epochs}
    recipe = Recipe(seed=arguments.seed, **{k: v for k, v in chosen.items() if v is not None})
    cutouts = None
    if arguments.cutouts is not None:
        cutouts = read_cutouts(arguments.cutouts, arguments.catalogue, recipe.size)
    title = f"{arguments.judged} simulated galaxies that the network never saw"
    with stages() as tell:
        metrics = run(
            recipe, arguments.out, title, arguments.judged, cutouts, arguments.passes, tell
        )
    tell_metrics(metrics, arguments.out)


def tell_metrics(metrics: dict, folder: str) -> None:
    """Print what a run found, and where the rest is."""
    methods = metrics["methods"]
    print(f"{'scatter (inside 1 sigma)':<26}" + "".join(f"{name:>18}" for name in methods))
    for quantity in methods["network"]:
        line = f"{quantity.replace('_', ' '):<26}"
        for table in methods.values():
            found = table.get(quantity, {})
            if "sigma_nmad" in found:
                line += f"{found['sigma_nmad']:>11.3f} ({found['within_1_sigma']:.0%})".ljust(18)
            else:
                line += " " * 17 + "-"
        print(line.rstrip())
    times = "".join(f"{value:>16.3g} s" for value in metrics["seconds_per_1000"].values())
    print(f"{'1000 galaxies in':<26}{times}   ({metrics['threads']} threads)")
    for name, found in metrics.get("real", {}).items():
        clean = found["clean"]
        print(
            f"real, {name + ':':<20} {clean['median_ratio']:.2f} of the catalogue's radius, "
            f"scatter {clean['sigma_nmad']:.2f} ({clean['galaxies']} galaxies)"
        )
    print(f"written to {folder}: model.safetensors, metrics.json, predictions.csv, figure.png")
