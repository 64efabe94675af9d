"""Which fast kernel computes a convolution or a product, if one does."""


def matmul(out, a, b):
    """Try a @ b; tell whether it was computed."""
    return False


def conv(out, x, w, strides, pads, dilation, groups):
    """Try the convolution; tell whether it was computed."""
    return False


def conv_input_grad(out, g, w, strides, pads, dilation, groups):
    """Try the input gradient; tell whether it was computed."""
    return False


def conv_weight_grad(out, x, g, strides, pads, dilation, groups):
    """Try the weight gradient; tell whether it was computed."""
    return False
