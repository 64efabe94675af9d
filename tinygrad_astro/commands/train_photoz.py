"""`tinygrad-astro train photoz`: redshift densities from magnitudes, and from images with them."""

from pathlib import Path

from tinygrad_astro.commands.arguments import count, describe, seed, stages

EXAMPLE = "tinygrad-astro train photoz --table galaxies.csv --out run"


def add(tasks) -> None:
    """Describe the arguments."""
    one = describe(
        tasks,
        "photoz",
        "photometric redshifts with calibrated densities: an ensemble trained on a table with "
        "z_spec, judged on another table or on a fifth that it never saw; without a table, on "
        "simulated galaxies and their images",
        EXAMPLE,
    )
    one.add_argument(
        "--table",
        metavar="FILE",
        help="CSV or FITS: z_spec, and per band mag_r and magerr_r, or r and er",
    )
    one.add_argument("--test", metavar="FILE", help="a table of other objects to judge on")
    one.add_argument(
        "--bands",
        nargs="+",
        default=list("ugriz"),
        metavar="BAND",
        help="names in the columns, blue to red (default u g r i z)",
    )
    one.add_argument(
        "--galaxies",
        type=count,
        default=1500,
        help="how many to simulate where there is no table (default 1500)",
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figure"
    )
    one.add_argument(
        "--head",
        choices=("mixture", "bins"),
        default="mixture",
        help="densities as a mixture of Gaussians, or in bins (default mixture)",
    )
    one.add_argument("--epochs", type=count, help="passes over the data (default 60)")
    one.add_argument("--repeats", type=count, help="networks per fold of ten (default 1)")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_photoz)


def run_photoz(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.photoz.recipe import Recipe
    from tinygrad_astro.photoz.run import run

    optional("matplotlib")
    if arguments.test and not arguments.table:
        raise ValueError("--test needs --table: a table to train on")
    training, test, title = samples(arguments)
    chosen = {"epochs": arguments.epochs, "repeats": arguments.repeats}
    recipe = Recipe(
        head=arguments.head,
        seed=arguments.seed,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    with stages() as tell:
        metrics = run(training, test, recipe, arguments.out, title, tell)
    tell_metrics(metrics, arguments.out)


def samples(arguments):
    """Read or simulate: (training sample, test sample, title)."""
    from tinygrad_astro.photoz import catalogue, sky

    if arguments.table is None:
        print(f"simulating {arguments.galaxies} galaxies ...", flush=True)
        parts = catalogue.split(sky.survey(arguments.galaxies, seed=arguments.seed), 0.2)
        return *parts, "simulated galaxies: images and magnitudes"
    training = catalogue.read_catalogue(arguments.table, arguments.bands)
    if arguments.test is None:
        parts = catalogue.split(training, 0.2, arguments.seed)
        return *parts, f"{Path(arguments.table).name}: a fifth that the networks never saw"
    test = catalogue.read_catalogue(arguments.test, arguments.bands)
    names = Path(arguments.table).name, Path(arguments.test).name
    return training, test, "trained on {}, judged on {}".format(*names)


def tell_metrics(metrics: dict, folder: str) -> None:
    """Print what a run found, and where the rest is."""
    pdf = metrics["pdf"]
    level = "level" if pdf["pit"]["flat_2_sigma"] else "not level"
    print(f"sigma_NMAD       {metrics['sigma_nmad']:.4f}  ({metrics['objects']} objects)")
    if "magnitudes_alone" in metrics:
        print(f"  without images {metrics['magnitudes_alone']['sigma_nmad']:.4f}")
    print(f"bias             {metrics['pasquet']['bias']:+.4f} mean, ", end="")
    print(f"{metrics['rail']['bias']:+.4f} median")
    print(f"|dz| > 0.05      {metrics['pasquet']['outliers']:.2%}")
    print(f"|dz| > 0.15      {metrics['outliers_0.15']:.2%}")
    print(f"CRPS             {pdf['crps']:.4f}")
    print(f"PIT              {level} within 2 sigma")
    print(f"training took    {metrics['seconds']:.1f} s")
    print(
        f"written to       {folder}: model.safetensors, metrics.json, predictions.csv, figure.png"
    )
