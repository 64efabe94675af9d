"""`tinygrad-astro summary`: layers, shapes, parameters, receptive field and cost of a model."""

from tinygrad_astro.commands.arguments import count, describe


def add(commands) -> None:
    """Describe the arguments."""
    one = describe(
        commands,
        "summary",
        "show the layers of a model file, or of a published architecture",
        "tinygrad-astro summary unet --shape 572 572 1 --classes 2 --base 64 --depth 4 "
        "--padding valid --no-batch-norm",
    )
    one.add_argument("model", help="a .safetensors file, or one of: " + ", ".join(ARCHITECTURES))
    one.add_argument(
        "--shape",
        nargs=3,
        metavar=("HEIGHT", "WIDTH", "BANDS"),
        type=count,
        help="of the images (default: the architecture's own)",
    )
    one.add_argument("--classes", type=count, default=2, help="of a U-Net (default 2)")
    one.add_argument(
        "--base", type=count, default=16, help="channels at the first level of a U-Net (default 16)"
    )
    one.add_argument("--depth", type=count, default=3, help="halvings of a U-Net (default 3)")
    one.add_argument("--padding", choices=("same", "valid"), default="same", help="of a U-Net")
    one.add_argument("--no-batch-norm", action="store_true", help="biases instead, in a U-Net")
    one.set_defaults(run=run)


def run(arguments) -> None:
    """Print the summary, and what the file says beside the weights."""
    from tinygrad_astro.models import load_model

    if arguments.model in ARCHITECTURES:
        ARCHITECTURES[arguments.model](arguments).summary()
        return
    model = load_model(arguments.model)
    model.summary()
    for key, value in model.metadata.items():
        print(f"{key}: {value}")


def _unet(arguments):
    from tinygrad_astro.models import unet

    shape = arguments.shape or (128, 128, 1)
    return unet(
        tuple(shape),
        arguments.classes,
        arguments.base,
        arguments.depth,
        arguments.padding,
        batch_norm=not arguments.no_batch_norm,
    )


def _published(name: str):
    def build(arguments):
        from tinygrad_astro import models

        maker = getattr(models, name)
        return maker(tuple(arguments.shape)) if arguments.shape else maker()

    return build


ARCHITECTURES = {
    "unet": _unet,
    **{
        name: _published(name)
        for name in ("dominguez_sanchez18", "resnet18", "resnet34", "resnet50")
    },
}
