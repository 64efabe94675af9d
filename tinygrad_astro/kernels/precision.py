"""How exactly convolutions and products are computed: one switch for both devices."""

PRECISIONS = ("fp32", "tf32", "3xtf32", "bf16", "exact")
_chosen = ["fp32"]


class _Previous:
    """What `precision` gives: in a `with` block, it puts the old choice back at the end."""

    def __init__(self, before):
        self.before = before

    def __enter__(self):
        return self

    def __exit__(self, *error):
        _chosen[0] = self.before


def precision(name: str):
    """Choose how exactly convolutions and dense layers are computed, from now on.

    | name | CPU | GPU: float32 sums of products of | relative error |
    |---|---|---|---|
    | "fp32" | the fastest kernels for float32 | float32 | 1e-6 |
    | "tf32" | as "fp32" | 11 significant bits, on tensor cores | 1e-3 |
    | "3xtf32" | as "fp32" | 22 significant bits, on tensor cores | 1e-6 |
    | "bf16" | as "fp32" | 8 significant bits, on tensor cores | 1e-2 |
    | "exact" | direct sums, no fast transforms | float32, the plain kernels | 1e-6 |

    float64 is always computed in float64. Sizes that tensor cores do not suit are computed as in
    "fp32".

    Parameters
    ----------
    name : {"fp32", "tf32", "3xtf32", "bf16", "exact"}

    Returns
    -------
    context manager
        Used in `with`, the choice ends with the block.

    Raises
    ------
    ValueError
        If the name is another.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> with ta.precision("exact"):
    ...     y = ta.ops.conv([[[1.0], [2.0]]], [[[3.0]]])
    """
    if name not in PRECISIONS:
        raise ValueError(f"precision({name!r}): expected one of {PRECISIONS}")
    before, _chosen[0] = _chosen[0], name
    return _Previous(before)


def current_precision() -> str:
    """Give the chosen precision."""
    return _chosen[0]
