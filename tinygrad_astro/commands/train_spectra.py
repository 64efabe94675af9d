"""`tinygrad-astro train spectra` and `train asteroids`: classes and redshifts from 1-D networks."""

from pathlib import Path

from tinygrad_astro.commands.arguments import count, describe, seed, stages

EXAMPLE = "tinygrad-astro train spectra --spectra boss.npz --out run"


def add(tasks) -> None:
    """Describe the arguments of both tasks."""
    _add_spectra(tasks)
    _add_asteroids(tasks)


def _add_spectra(tasks) -> None:
    one = describe(
        tasks,
        "spectra",
        "star, galaxy or quasar, and redshift: learned from synthetic spectra, then tuned on real "
        "ones and judged by cross-validation; without --spectra on synthetic ones alone",
        EXAMPLE,
    )
    one.add_argument(
        "--spectra",
        metavar="NPZ",
        help="wavelength, flux, ivar, plate, mjd, fiber, classes and redshifts (vi_*, pipe_*)",
    )
    one.add_argument(
        "--labels",
        choices=("inspected", "pipeline"),
        default="inspected",
        help="whose classes are the truth (default inspected, by eye)",
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figure"
    )
    one.add_argument(
        "--simulated", type=count, help="synthetic spectra to learn from (default 12000)"
    )
    one.add_argument("--epochs", type=count, help="passes over them (default 8)")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_spectra)


def _add_asteroids(tasks) -> None:
    one = describe(
        tasks,
        "asteroids",
        "groups of asteroids from reflectance spectra, judged by cross-validation; without "
        "--spectra on simulated ones",
        "tinygrad-astro train asteroids --spectra asteroids.npz --out run",
    )
    one.add_argument(
        "--spectra", metavar="NPZ", help="spectra, wavelength_nm, taxonomy and asteroid"
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figure"
    )
    one.add_argument("--steps", type=count, help="updates per network (default 250)")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_asteroids)


def run_spectra(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.spectra.run import run
    from tinygrad_astro.spectra.survey import read_boss
    from tinygrad_astro.spectra.training import Recipe

    optional("matplotlib")
    real, title = None, "synthetic spectra that the network never saw"
    if arguments.spectra:
        real = read_boss(arguments.spectra, arguments.labels)
        title = f"{Path(arguments.spectra).name}: each judged by networks that never saw it"
    chosen = {"simulated": arguments.simulated, "epochs": arguments.epochs}
    recipe = Recipe(seed=arguments.seed, **{k: v for k, v in chosen.items() if v is not None})
    with stages() as tell:
        metrics = run(real, recipe, arguments.out, title, tell)
    told = {"synthetic spectra": metrics["synthetic"]}
    if real is not None:
        told["real, synthetic training only"] = metrics["real"]["synthetic_only"]
        told["real, cross-validated"] = metrics["real"]["cross_validated"]
    for name, found in told.items():
        print(f"{name + ':':<32} {found['accuracy']:.1%} of {found['objects']} right", end="")
        quasars = found.get("redshift_quasar")
        right = f"; quasar redshifts within 1 %: {quasars['within_0.01']:.1%}" if quasars else ""
        print(right)
    _tell_files(arguments.out, "predictions.csv, ")


def run_asteroids(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.spectra.asteroid_training import AsteroidRecipe, run_asteroids
    from tinygrad_astro.spectra.asteroids import read_asteroids, simulate_asteroids

    optional("matplotlib")
    if arguments.spectra:
        sample, source = read_asteroids(arguments.spectra), Path(arguments.spectra).name
    else:
        sample, source = simulate_asteroids(330, arguments.seed), "simulated"
    steps = {} if arguments.steps is None else {"steps": arguments.steps}
    recipe = AsteroidRecipe(seed=arguments.seed, **steps)
    with stages() as tell:
        found = run_asteroids(
            sample, recipe, arguments.out, f"asteroids ({source}), judged unseen", tell
        )
    print(f"right              {found['accuracy']:.1%} of {found['objects']}")
    print(f"mean over groups   {found['balanced_accuracy']:.1%}")
    print(f"always the largest {found['always_the_largest_group']:.1%}")
    _tell_files(arguments.out, "")


def _tell_files(folder, more):
    print(f"written to {folder}: model.safetensors, metrics.json, {more}figure.png")
