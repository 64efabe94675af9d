"""What teaches: the tape as table and picture, the convolution as a matrix, what a network sees.

scipy and matplotlib are imported by the functions that need them, not here.
"""

from tinygrad_astro.explain.checkerboard import overlap_count
from tinygrad_astro.explain.conv_matrix import conv_matrix
from tinygrad_astro.explain.filters import draw_maps, feature_maps, filters
from tinygrad_astro.explain.receptive_field import receptive_field
from tinygrad_astro.explain.recursion import wrong_order
from tinygrad_astro.explain.saliency import draw_saliency, saliency
from tinygrad_astro.explain.tape_view import tape

__all__ = ["conv_matrix", "draw_maps", "draw_saliency", "feature_maps", "filters"]
__all__ += ["overlap_count", "receptive_field", "saliency", "tape", "wrong_order"]
