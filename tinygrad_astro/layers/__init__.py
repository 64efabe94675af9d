"""Layers with Keras's names, arguments, defaults and order of weights; channels last."""

from tinygrad_astro.layers import operators as _operators  # noqa: F401  (x + y on symbols)
from tinygrad_astro.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from tinygrad_astro.layers.convolution import Conv1D, Conv2D
from tinygrad_astro.layers.core import Dense, Flatten, Permute, RepeatVector, Rescaling, Reshape
from tinygrad_astro.layers.fitting import CropTo, PadToMultiple
from tinygrad_astro.layers.input import Input, InputLayer
from tinygrad_astro.layers.layer import Layer
from tinygrad_astro.layers.masked import MaskedConcatenate, Unmask
from tinygrad_astro.layers.masked_convolution import PartialConv1D, PartialConv2D
from tinygrad_astro.layers.masked_normalization import MaskedBatchNormalization
from tinygrad_astro.layers.masked_pooling import (
    MaskedAveragePooling1D,
    MaskedAveragePooling2D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalAveragePooling2D,
    MaskedGlobalMaxPooling1D,
    MaskedGlobalMaxPooling2D,
    MaskedMaxPooling1D,
    MaskedMaxPooling2D,
    MaskedUpSampling1D,
    MaskedUpSampling2D,
)
from tinygrad_astro.layers.masked_transposed import PartialConv1DTranspose, PartialConv2DTranspose
from tinygrad_astro.layers.maxout import Maxout
from tinygrad_astro.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from tinygrad_astro.layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
)
from tinygrad_astro.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    L2Pooling1D,
    L2Pooling2D,
    MaxPooling1D,
    MaxPooling2D,
    MaxUnpooling2D,
    SumPooling1D,
    SumPooling2D,
)
from tinygrad_astro.layers.regularization import (
    Dropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)
from tinygrad_astro.layers.resizing import (
    Cropping1D,
    Cropping2D,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from tinygrad_astro.layers.separable import DepthwiseConv2D, SeparableConv2D
from tinygrad_astro.layers.symbolic import Symbol
from tinygrad_astro.layers.transposed import Conv1DTranspose, Conv2DTranspose

__all__ = [
    "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D", "BatchNormalization",
    "Concatenate", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "CropTo", "Cropping1D",
    "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "GaussianNoise",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D",
    "GroupNormalization", "Input", "InputLayer", "L2Pooling1D", "L2Pooling2D", "Layer",
    "LayerNormalization", "LeakyReLU", "MaskedAveragePooling1D", "MaskedAveragePooling2D",
    "MaskedBatchNormalization", "MaskedConcatenate", "MaskedGlobalAveragePooling1D",
    "MaskedGlobalAveragePooling2D", "MaskedGlobalMaxPooling1D", "MaskedGlobalMaxPooling2D",
    "MaskedMaxPooling1D", "MaskedMaxPooling2D", "MaskedUpSampling1D", "MaskedUpSampling2D",
    "MaxPooling1D", "MaxPooling2D", "MaxUnpooling2D", "Maximum", "Maxout", "Minimum", "Multiply",
    "PReLU", "PadToMultiple", "PartialConv1D", "PartialConv1DTranspose", "PartialConv2D",
    "PartialConv2DTranspose", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape",
    "SeparableConv2D", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "Subtract",
    "SumPooling1D", "SumPooling2D", "Symbol", "Unmask", "UpSampling1D", "UpSampling2D",
    "ZeroPadding1D", "ZeroPadding2D", "add", "average", "concatenate", "maximum", "minimum",
    "multiply", "subtract",
]  # fmt: skip
