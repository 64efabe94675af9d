"""Nests of lists, tuples and dictionaries, which layers take and give in place of one tensor."""

from numbers import Number


def leaves(structure) -> list:
    """List everything in a nest that is not itself a list, tuple or dictionary."""
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    if isinstance(structure, dict):
        return [leaf for part in structure.values() for leaf in leaves(part)]
    return [structure]


def map_leaves(function, structure):
    """Give the same nest with `function` applied to each leaf."""
    if isinstance(structure, (list, tuple)):
        made = [map_leaves(function, part) for part in structure]
        return made if isinstance(structure, list) else tuple(made)
    if isinstance(structure, dict):
        return {key: map_leaves(function, part) for key, part in structure.items()}
    return function(structure)


def is_numbers(structure) -> bool:
    """Whether a list is an array written out, `[[1, 2], [3, 4]]`, and not a list of tensors."""
    while isinstance(structure, (list, tuple)) and structure:
        structure = structure[0]
    return isinstance(structure, Number)


def is_shape(structure) -> bool:
    """Whether this is one shape, such as `(None, 28, 28, 1)`, and not a list of shapes."""
    return isinstance(structure, (list, tuple)) and all(
        n is None or isinstance(n, Number) for n in structure
    )


def shape_of(tensor) -> tuple:
    """Give a tensor's shape with the batch axis, whose size no layer may rely on, as None."""
    return (None, *tensor.shape[1:])
