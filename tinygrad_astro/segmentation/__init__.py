"""Segmentation of survey images: which pixels belong to sources, and which sources there are."""

from tinygrad_astro.segmentation.components import label
from tinygrad_astro.segmentation.evaluation import Agreement, compare, compare_classes
from tinygrad_astro.segmentation.instances import smooth, split
from tinygrad_astro.segmentation.prediction import Detection, segment_files
from tinygrad_astro.segmentation.recipe import Recipe, train
from tinygrad_astro.segmentation.runs import run
from tinygrad_astro.segmentation.survey import Survey, prepare, read_survey

__all__ = [
    "Agreement",
    "Detection",
    "Recipe",
    "Survey",
    "compare",
    "compare_classes",
    "label",
    "prepare",
    "read_survey",
    "run",
    "segment_files",
    "smooth",
    "split",
    "train",
]
