"""`tinygrad-astro demo`: a simulated field, a small U-Net that learns it, a picture."""

from tinygrad_astro.commands.arguments import count, describe, seed, stages

# Small enough for two minutes on two cores, large enough that stars and galaxies are told apart.
HEIGHT, WIDTH = 384, 1200
DENSITY = 14.0


def add(commands) -> None:
    """Describe the arguments."""
    one = describe(
        commands,
        "demo",
        "simulate a field of stars and galaxies, train a small U-Net to tell them apart, and "
        "draw the result",
        "tinygrad-astro demo --out demo",
    )
    one.add_argument(
        "--out",
        default="demo",
        metavar="FOLDER",
        help="folder for figure, model and metrics (default demo)",
    )
    one.add_argument("--steps", type=count, default=400, help="updates in all (default 400)")
    one.add_argument("--seed", type=seed, default=0, help="of sky and network (default 0)")
    one.set_defaults(run=run)


def run(arguments) -> None:
    """Simulate, train, report and say what was found."""
    from tinygrad_astro.commands.train import tell_metrics
    from tinygrad_astro.data.simulate import field
    from tinygrad_astro.extras import optional
    from tinygrad_astro.segmentation.recipe import Recipe
    from tinygrad_astro.segmentation.runs import run
    from tinygrad_astro.segmentation.survey import prepare

    optional("matplotlib")
    print(f"simulating {HEIGHT} x {WIDTH} pixels of sky ...", flush=True)
    sky = field((HEIGHT, WIDTH), density=DENSITY, seed=arguments.seed)
    names = ("sky", "galaxy", "star")
    survey = prepare(sky.image, None, sky.label_map, sky.bands, sky.class_map.astype(int), names)
    recipe = Recipe(
        arguments.steps,
        size=64,
        base=8,
        depth=3,
        learning_rate=0.01,
        rounds=8,
        seed=arguments.seed,
    )
    with stages() as tell:
        metrics = run(
            survey,
            recipe,
            arguments.out,
            "simulated sky: columns that the U-Net never saw",
            progress=tell,
        )
    tell_metrics(metrics, arguments.out)
