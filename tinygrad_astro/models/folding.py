"""Batch norm at prediction: a factor and a level per channel, taken by the convolution before it.

    gamma (conv(x, w) + b - mean) / s + beta = conv(x, f w) + f (b - mean) + beta,  f = gamma / s,

with s = sqrt(variance + epsilon). It saves a pass over the outputs and rounds a little differently;
the precision "exact" forbids it.
"""

from tinygrad_astro import activations, ops
from tinygrad_astro.layers.convolution import Conv1D, Conv2D
from tinygrad_astro.layers.normalization import BatchNormalization
from tinygrad_astro.layers.symbolic import Symbol


def foldable(nodes, outputs) -> dict:
    """Pair each call of a convolution with that of the batch norm that alone reads its output."""
    readers: dict[int, list] = {}
    for node in nodes:
        for symbol in node.inputs:
            readers.setdefault(id(symbol), []).append(node)
    wanted = {id(symbol) for symbol in outputs}
    found = {}
    for node in nodes:
        if type(node.layer) not in (Conv1D, Conv2D) or id(node.outputs) in wanted:
            continue
        reading = readers.get(id(node.outputs), [])
        if len(reading) == 1 and _folds(node, reading[0]):
            found[node] = reading[0]
    return found


def _folds(node, reader) -> bool:
    plain = all(isinstance(one.args[0], Symbol) and not one.kwargs for one in (node, reader))
    normalizes = type(reader.layer) is BatchNormalization and not reader.training
    return plain and normalizes and node.layer.activation is activations.linear


def convolve_normalized(conv, norm, inputs):
    """Give norm(conv(inputs)), with the norm's moving statistics, in one pass."""
    x = conv.as_input(inputs)
    for layer in (conv, norm):
        layer.ensure_built(x.shape if layer is conv else conv.compute_output_shape(x.shape))
    factor = ops.power(norm.moving_variance + norm.epsilon, -0.5)
    factor = factor if norm.gamma is None else factor * norm.gamma
    level = norm.moving_mean if conv.bias is None else norm.moving_mean - conv.bias
    level = -level * factor if norm.beta is None else norm.beta - level * factor
    return conv.convolve(x, conv.kernel * factor, level, norm.activation)
