"""Focal losses: cross-entropies in which cells that are already right count little."""

import numpy as np

from tinygrad_astro import bounds, ops
from tinygrad_astro.kernels import constant
from tinygrad_astro.losses.crossentropy import BinaryCrossentropy, CategoricalCrossentropy
from tinygrad_astro.losses.labels import check_soft_or_sparse, one_hot, soft_or_sparse
from tinygrad_astro.tape import Tensor


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """value = (1 - p_t)**gamma * binary cross-entropy, with p_t the probability of what is true.

    Lin et al. 2017 (focal loss), equation 4; with balancing, equation 5.

    Parameters
    ----------
    apply_class_balancing : bool
        Multiply by alpha where the label is 1, by 1 - alpha where it is 0.
    alpha : float
        See there.
    gamma : float
        How strongly easy cells are discounted; 0 gives the cross-entropy.
    from_logits, label_smoothing, reduction, name, ignore_index, class_weight
        As in `BinaryCrossentropy`.

    Examples
    --------
    >>> loss = BinaryFocalCrossentropy(from_logits=True)
    >>> round(float(loss([1.0], [0.0])), 6)
    0.173287
    """

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name=None,
        **kwargs,
    ):
        super().__init__(from_logits, label_smoothing, reduction, name, **kwargs)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = bounds.number(self, "alpha", alpha, 0, 1)
        self.gamma = bounds.number(self, "gamma", gamma, 0)

    def call(self, y_true, y_pred):
        """Give the focal binary cross-entropy of every cell."""
        entropy = super().call(y_true, y_pred)
        y_true = self.smoothed(y_true)
        p = ops.sigmoid(y_pred) if self.from_logits else y_pred
        p_true = y_true * p + (1 - y_true) * (1 - p)
        value = ops.power(1 - p_true, self.gamma) * entropy
        if self.apply_class_balancing:
            value = value * (y_true * self.alpha + (1 - y_true) * (1 - self.alpha))
        return value


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """value = -sum_c alpha_c (1 - p_c)**gamma y_c log p_c.

    Lin et al. 2017 (focal loss), equation 5, for many classes. Labels are one-hot, soft, or class
    numbers.

    Parameters
    ----------
    alpha : float or sequence of float
        Weight of all classes, or of each.
    gamma : float
        How strongly easy cells are discounted; 0 gives the cross-entropy times alpha.
    from_logits, label_smoothing, reduction, name, ignore_index, class_weight
        As in `CategoricalCrossentropy`.

    Examples
    --------
    >>> loss = CategoricalFocalCrossentropy(alpha=1.0)
    >>> round(float(loss([[0.0, 1.0]], [[0.5, 0.5]])), 6)
    0.173287
    """

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        reduction="sum_over_batch_size",
        name=None,
        **kwargs,
    ):
        super().__init__(from_logits, label_smoothing, reduction, name, **kwargs)
        for one in [alpha] if np.ndim(alpha) == 0 else alpha:
            bounds.number(self, "alpha", one, 0)
        self.alpha, self.gamma = alpha, bounds.number(self, "gamma", gamma, 0)

    def arrange(self, y_true, y_pred):
        """Accept class numbers too."""
        return soft_or_sparse(y_true, y_pred.shape, self.name)

    def check_labels(self, y_true, y_pred):
        """Raise where a label is neither a probability nor a class number."""
        check_soft_or_sparse(y_true, y_pred.shape, self.name)

    def encode(self, y_true, y_pred):
        """Turn class numbers into one-hot labels."""
        return one_hot(y_true, y_pred.shape)

    def call(self, y_true, y_pred):
        """Give the focal cross-entropy of every cell."""
        y_true = self.smoothed(y_true) if self.label_smoothing else y_true
        log_p = self.log_probabilities(y_pred)
        alpha = self.alpha
        if np.ndim(alpha):
            alpha = Tensor(constant(np.asarray(alpha, y_pred.dtype), y_pred.device))
        factor = ops.power(1 - ops.exp(log_p), self.gamma) * alpha
        return -ops.sum(factor * y_true * log_p, axis=-1)


def binary_focal_crossentropy(y_true, y_pred, sample_weight=None, mask=None, **options):
    """Give the mean over the last axis; see `BinaryFocalCrossentropy` for the options."""
    loss = BinaryFocalCrossentropy(reduction=None, **options)
    return loss(y_true, y_pred, sample_weight, mask)


def categorical_focal_crossentropy(y_true, y_pred, sample_weight=None, mask=None, **options):
    """Give one value per row; see `CategoricalFocalCrossentropy` for the options."""
    loss = CategoricalFocalCrossentropy(reduction=None, **options)
    return loss(y_true, y_pred, sample_weight, mask)
