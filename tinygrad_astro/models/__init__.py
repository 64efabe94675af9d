"""Models: Sequential, functional graphs, subclasses; files; and networks of the literature."""

from tinygrad_astro.layers.input import Input
from tinygrad_astro.models.architecture import register
from tinygrad_astro.models.dieleman import dieleman15
from tinygrad_astro.models.dominguez_sanchez import dominguez_sanchez18
from tinygrad_astro.models.model import Model
from tinygrad_astro.models.resnet import resnet18, resnet34, resnet50
from tinygrad_astro.models.saving import load_model, load_weights, save_model, save_weights
from tinygrad_astro.models.sequential import Sequential
from tinygrad_astro.models.unet import unet, valid_sizes

register(Model)
register(Sequential)

__all__ = ["Input", "Model", "Sequential", "dieleman15", "dominguez_sanchez18", "load_model"]
__all__ += [
    "load_weights",
    "register",
    "resnet18",
    "resnet34",
    "resnet50",
    "save_model",
    "save_weights",
]
__all__ += ["unet", "valid_sizes"]
