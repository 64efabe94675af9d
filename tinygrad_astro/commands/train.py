"""`tinygrad-astro train TASK`: train a network on a survey's own images."""

from tinygrad_astro.commands import (
    train_deblending,
    train_morphology,
    train_photoz,
    train_sizes,
    train_spectra,
)
from tinygrad_astro.commands.arguments import count, describe, seed, share, stages

EXAMPLE = "tinygrad-astro train segmentation --images g.fits r.fits --labels seg.fits.gz --out run"


def add(commands) -> None:
    """Describe the arguments."""
    top = describe(commands, "train", "train a network on survey images", EXAMPLE)
    tasks = top.add_subparsers(dest="task", metavar="TASK", required=True)
    add_segmentation(tasks)
    train_morphology.add(tasks)
    train_photoz.add(tasks)
    train_spectra.add(tasks)
    train_sizes.add(tasks)
    train_deblending.add(tasks)


def add_segmentation(tasks) -> None:
    """Describe the arguments of `train segmentation`."""
    one = describe(
        tasks,
        "segmentation",
        "tell sources from sky, pixel by pixel: a U-Net trained on the left 60 % of the columns, "
        "validated on the next 20 %, reported on the last 20 %",
        EXAMPLE,
    )
    one.add_argument(
        "--images",
        nargs="+",
        required=True,
        metavar="FITS",
        help="aligned images, one per band; units may differ",
    )
    one.add_argument(
        "--labels",
        required=True,
        metavar="FITS",
        help="label map: 0 is sky, a positive number names a source",
    )
    one.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder for model, metrics, history and figure",
    )
    one.add_argument(
        "--resume", action="store_true", help="go on with a run in the folder that was stopped"
    )
    one.add_argument("--steps", type=count, default=600, help="updates in all (default 600)")
    one.add_argument("--batch", type=count, default=8, help="crops per update (default 8)")
    one.add_argument(
        "--size", type=count, default=128, help="side of a crop in pixels (default 128)"
    )
    one.add_argument(
        "--base",
        type=count,
        default=16,
        help="channels at the first level of the U-Net (default 16)",
    )
    one.add_argument("--depth", type=count, default=3, help="halvings of the U-Net (default 3)")
    one.add_argument("--seed", type=seed, default=0, help="of all randomness (default 0)")
    one.add_argument(
        "--threshold",
        type=share,
        help="probability above which a pixel is a source "
        "(default: the best for the validation columns)",
    )
    one.set_defaults(run=run_segmentation)


def run_segmentation(arguments) -> None:
    """Train, report and say what was found."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.segmentation.recipe import Recipe
    from tinygrad_astro.segmentation.runs import run, unfinished
    from tinygrad_astro.segmentation.survey import read_survey

    optional("matplotlib")
    if unfinished(arguments.out) and not arguments.resume:
        raise FileExistsError(
            f"{arguments.out} holds an unfinished run: add --resume to go on with it, or choose "
            "another folder"
        )
    survey = read_survey(arguments.images, arguments.labels)
    recipe = Recipe(
        arguments.steps,
        arguments.batch,
        arguments.size,
        arguments.base,
        arguments.depth,
        seed=arguments.seed,
    )
    title = f"U-Net segmentation, {' '.join(survey.bands)}: columns that it never saw"
    with stages() as tell:
        metrics = run(
            survey,
            recipe,
            arguments.out,
            title,
            arguments.threshold,
            arguments.resume,
            progress=tell,
        )
    tell_metrics(metrics, arguments.out)


def tell_metrics(metrics: dict, folder: str) -> None:
    """Print what a run found, and where the rest is."""
    least = metrics["min_pixels"]
    print(f"IoU of source pixels  {number(metrics['iou'])}")
    print(
        f"completeness          {number(metrics['completeness'])}  "
        f"({metrics['found']} of {metrics['reference_sources']} sources of {least} pixels or more)"
    )
    print(
        f"purity                {number(metrics['purity'])}  "
        f"({metrics['real']} of {metrics['detections']} detections of {least} pixels or more)"
    )
    print(
        f"one to one            {number(metrics['one_to_one'])}  "
        f"({number(metrics['instances']['one_to_one'])} when parted along valleys of light)"
    )
    if "class_accuracy" in metrics:
        kinds = " or ".join(metrics["classes"][1:])
        print(f"class accuracy        {number(metrics['class_accuracy'])}  ({kinds})")
    print(f"training took         {metrics['seconds']['training']:.1f} s")
    print(
        f"written to            {folder}: model.safetensors, metrics.json, history.csv, figure.png"
    )


def number(value) -> str:
    """Write a share, or a dash for a share of nothing."""
    return "  -  " if value is None or value != value else f"{value:.3f}"
