"""`tinygrad-astro train morphology`: types of galaxies as volunteers see them, and rings."""

from pathlib import Path

from tinygrad_astro.commands.arguments import count, describe, seed, stages

EXAMPLE = "tinygrad-astro train morphology --rings decals_rings.npz --transfer --out run"
DRAWN = 6000


def add(tasks) -> None:
    """Describe the arguments."""
    one = describe(
        tasks,
        "morphology",
        "spheroid, disc, irregular, point source or unclassifiable, learned from the votes of "
        "simulated volunteers on simulated galaxies; with --rings: ring or not, and vote "
        "fractions, on real cut-outs by cross-validation",
        EXAMPLE,
    )
    one.add_argument(
        "--rings", metavar="NPZ", help="images, ring, fractions, fraction_names and id_str"
    )
    one.add_argument(
        "--transfer",
        action="store_true",
        help="with --rings: learn from drawn rings, bars and arms first",
    )
    one.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for model, metrics and figure"
    )
    one.add_argument(
        "--simulated",
        type=count,
        help=f"galaxies to simulate and learn from (default 6000; with --transfer {DRAWN})",
    )
    one.add_argument(
        "--snr",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="range of the simulated S/N (default 5 200)",
    )
    one.add_argument("--epochs", type=count, help="passes over simulated galaxies")
    one.add_argument("--steps", type=count, help="updates on real cut-outs, per network")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.set_defaults(run=run_morphology)


def run_morphology(arguments) -> None:
    """Train, judge and say what was found."""
    from tinygrad_astro.extras import optional

    optional("matplotlib")
    if arguments.rings:
        _refuse(arguments, "--snr", "it is for simulated galaxies", "without --rings")
        if not arguments.transfer:
            for name in ("--simulated", "--epochs"):
                _refuse(arguments, name, "nothing is simulated from scratch", "with --transfer")
        run_on_rings(arguments)
        return
    _refuse(arguments, "--transfer", "it tunes on real cut-outs", "with --rings FILE")
    _refuse(arguments, "--steps", "it counts updates on real cut-outs", "with --rings FILE")
    run_on_stamps(arguments)


def run_on_stamps(arguments) -> None:
    """Five types on the synthetic sky."""
    from tinygrad_astro.morphology.run import run
    from tinygrad_astro.morphology.training import Recipe

    chosen = {
        "simulated": arguments.simulated,
        "epochs": arguments.epochs,
        "snr": arguments.snr and tuple(arguments.snr),
    }
    recipe = Recipe(seed=arguments.seed, **{k: v for k, v in chosen.items() if v is not None})
    title = "simulated galaxies never seen, what is said of them, and below where it looked"
    with stages() as tell:
        metrics = run(recipe, arguments.out, title, tell)
    for name in ("bright", "all"):
        found = metrics[name]
        what = f"S/N >= {found['snr']:g}" if name == "bright" else "all"
        print(f"right, {what + ':':<12} {found['accuracy']:.1%} of {found['objects']}")
    ece = metrics["reliability_votes"]["ece"]
    print(f"votes:              off by {metrics['vote_error']:.3f} rms, calibrated to {ece:.3f}")
    _tell_files(arguments.out)


def run_on_rings(arguments) -> None:
    """Rings and vote fractions of real cut-outs."""
    from tinygrad_astro.morphology.ring_run import run_rings
    from tinygrad_astro.morphology.rings import read_rings
    from tinygrad_astro.morphology.transfer import RingRecipe

    sample = read_rings(arguments.rings)
    chosen = {
        "drawn": (arguments.simulated or DRAWN) if arguments.transfer else None,
        "epochs": arguments.epochs,
        "tuning_steps" if arguments.transfer else "steps": arguments.steps,
    }
    recipe = RingRecipe(seed=arguments.seed, **{k: v for k, v in chosen.items() if v is not None})
    first = "first on drawn galaxies, then on these" if arguments.transfer else "from scratch"
    title = (
        f"{Path(arguments.rings).name}: trained {first}, each judged unseen; below: where it looked"
    )
    with stages() as tell:
        metrics = run_rings(sample, recipe, arguments.out, title, tell)
    found = metrics["ring"]
    print(
        f"ring or not  {found['fold_accuracy_mean']:.3f} +- {found['fold_accuracy_std']:.3f}",
        end="",
    )
    print(f" right over {recipe.folds} folds of {found['objects']}; AUC {found['auc']:.3f}")
    tags = found["tags"]
    if tags["auc_inside"] is not None:
        print(
            f"{tags['said']} said to have a ring, {tags['said_and_tagged']} of them tagged: if the "
            f"others look the same, tags allow {tags['ceiling']:.3f} +- {tags['ceiling_error']:.3f}"
            f" (AUC among them {tags['auc_inside']:.2f} +- {tags['auc_inside_error']:.2f})"
        )
    for name, share in metrics["fractions"].items():
        error, mean = share["rmse"], share["rmse_of_the_mean"]
        print(f"{name}: rms error {error:.3f} (their mean: {mean:.3f})")
    _tell_files(arguments.out)


def _refuse(arguments, name: str, why: str, fix: str) -> None:
    if getattr(arguments, name.removeprefix("--")):
        raise ValueError(f"{name} has no meaning here, for {why}; use it {fix}, or leave it out")


def _tell_files(folder) -> None:
    print(f"written to {folder}: model.safetensors, metrics.json, predictions.csv, figure.png")
