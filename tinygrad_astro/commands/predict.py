"""`tinygrad-astro predict MODEL`: sources of a survey image of any size, into one FITS file."""

from tinygrad_astro.commands.arguments import count, describe, share, stages


def add(commands) -> None:
    """Describe the arguments."""
    one = describe(
        commands,
        "predict",
        "find the sources of survey images with a trained model",
        "tinygrad-astro predict run/model.safetensors --images g.fits r.fits "
        "--out segmentation.fits",
    )
    one.add_argument("model", help="what 'train segmentation' wrote: model.safetensors")
    one.add_argument(
        "--images",
        nargs="+",
        required=True,
        metavar="FITS",
        help="the bands of the training, in its order",
    )
    one.add_argument(
        "--out", required=True, metavar="FITS", help="file for label map, probability and catalogue"
    )
    one.add_argument(
        "--tile",
        type=count,
        default=512,
        help="side of a tile in pixels: it decides the memory, not the result (default 512)",
    )
    one.add_argument(
        "--threshold",
        type=share,
        help="probability above which a pixel is a source (default: as in training)",
    )
    one.add_argument(
        "--min-pixels",
        type=count,
        help="smaller groups of pixels are dropped (default: as in training)",
    )
    one.add_argument(
        "--resume",
        action="store_true",
        help="go on where the same command was killed; an interruption leaves its work for this",
    )
    one.set_defaults(run=run)


def run(arguments) -> None:
    """Segment the images and say how many sources there are."""
    from tinygrad_astro.extras import optional
    from tinygrad_astro.models import load_model
    from tinygrad_astro.segmentation.prediction import Detection, segment_files

    optional("astropy.io.fits")
    model = load_model(arguments.model)
    chosen = dict(model.metadata.get("detection", {}))
    asked = {"threshold": arguments.threshold, "min_pixels": arguments.min_pixels}
    chosen |= {name: value for name, value in asked.items() if value is not None}
    with stages() as tell:
        table = segment_files(
            model,
            arguments.images,
            arguments.out,
            Detection(**chosen),
            arguments.tile,
            tell,
            arguments.resume,
        )
    print(f"{len(table['id'])} sources written to {arguments.out}: LABEL, PROB, CATALOGUE")
