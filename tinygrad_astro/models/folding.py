"""Batch norm at prediction: a factor and a level per channel, taken by the convolution before it.

    gamma (conv(x, w) + b - mean) / s + beta = f conv(x, w) + f (b - mean) + beta,  f = gamma / s,

with s = sqrt(variance + epsilon). It saves a pass over the outputs and rounds a little differently;
the precision "exact" forbids it.
"""

from tinygrad_astro import activations, ops, shapes
from tinygrad_astro.layers.convolution import Conv1D, Conv2D
from tinygrad_astro.layers.normalization import BatchNormalization
from tinygrad_astro.layers.symbolic import Symbol
from tinygrad_astro.ops.conv import conv_finished


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
    return plain and normalizes and node.layer.dtype == reader.layer.dtype


def still_plain(conv, norm) -> bool:
    """Tell whether nothing was put between the two, or in their place, since the model was made."""
    own = any("call" in vars(layer) for layer in (conv, norm))
    return conv.activation is activations.linear and not own


def convolve_normalized(conv, norm, inputs):
    """Give norm(conv(inputs)), with the norm's moving statistics, in one pass and off the tape."""
    x = conv.as_input(inputs)
    x = x if x.dtype == conv.dtype else x.astype(conv.dtype)
    for layer, seen in ((conv, x.shape), (norm, conv.compute_output_shape(x.shape))):
        layer.ensure_built(seen)
    factor = ops.power(norm.moving_variance + norm.epsilon, -0.5)
    factor = factor if norm.gamma is None else factor * norm.gamma
    level = -norm.moving_mean if conv.bias is None else conv.bias - norm.moving_mean
    level = level * factor if norm.beta is None else level * factor + norm.beta
    shape, strides, pads, dilation = shapes.conv(
        x.shape,
        conv.kernel.shape,
        conv.strides,
        conv.padding,
        conv.dilation_rate,
        conv.groups,
    )
    name = activations.fused_name(norm.activation)
    outputs = conv_finished(
        x,
        conv.kernel,
        factor,
        level,
        name=name or "linear",
        shape=shape,
        strides=strides,
        pads=pads,
        dilation=dilation,
        groups=conv.groups,
    )
    return outputs if name else norm.activation(outputs)
