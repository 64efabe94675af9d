"""What the user gives for all outputs of a model at once, or for each by position or name."""

from numbers import Real

import numpy as np

from tinygrad_astro import metrics
from tinygrad_astro.layers.structure import leaves


def get_metrics(spec):
    """Make the metrics in a nest of names, keeping the nest."""
    if spec is None:
        return None
    if isinstance(spec, dict):
        return {key: get_metrics(part) for key, part in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [get_metrics(part) for part in spec]
    if isinstance(spec, Real):
        raise TypeError(
            f"compile got the number {spec!r} among the metrics, expected names, Metrics or "
            "functions; factors of the outputs' losses are compile(..., loss_weights=...)"
        )
    return metrics.get(spec)


def checked_shares(spec):
    """Give the factors of the losses back, if numbers they are."""
    for share in leaves(spec):
        if share is not None and (isinstance(share, bool) or not isinstance(share, Real)):
            raise TypeError(
                f"compile got {share!r} among the loss_weights, expected numbers, one per output; "
                "metrics, Keras's fourth argument, are the third here: write compile(optimizer, "
                "loss, metrics=...)"
            )
    return spec


def per_output(spec, names, what, default=None, nested=False):
    """Spread what the user gave for all outputs, or per output by position or name."""
    if spec is None:
        return [default] * len(names)
    if isinstance(spec, dict):
        unknown = set(spec) - set(names)
        if unknown:
            raise ValueError(
                f"{what} has the keys {sorted(map(str, unknown))}, but the outputs are {names}"
            )
        found = [spec.get(name, default) for name in names]
    elif len(names) == 1 and nested:
        found = [leaves(spec)]
    elif isinstance(spec, (list, tuple)) and (len(names) > 1 or not nested):
        if len(spec) != len(names):
            raise ValueError(
                f"{what} has {len(spec)} entries, expected one for each of the outputs {names}"
            )
        found = list(spec)
    else:
        found = [spec] * len(names)
    return [leaves(one) if nested and one is not None else one for one in found]


def matched(part, outputs):
    """List what belongs to each output, in their order; a single array belongs to all."""
    if isinstance(part, dict):
        wrong = set(part) ^ {output.name for output in outputs}
        if wrong:
            raise ValueError(
                f"data has the keys {sorted(map(str, part))}, expected the outputs "
                f"{[output.name for output in outputs]}"
            )
        return [part[output.name] for output in outputs]
    if isinstance(part, (list, tuple)) and not np.isscalar(part[0] if part else 0.0):
        if len(part) != len(outputs):
            raise ValueError(f"got {len(part)} arrays for {len(outputs)} outputs")
        return list(part)
    return [part] * len(outputs)
