"""One step of training on one batch, kernel by kernel: forward, loss, backward, update."""

import numpy as np

from tinygrad_astro.layers.structure import map_leaves
from tinygrad_astro.tape import Tensor
from tinygrad_astro.training.feed import Batch
from tinygrad_astro.training.objective import Objective, joined


def eager_step(model, objective: Objective, batch: Batch, class_weight=None):
    """Make one step of the optimizer; give (loss, outputs)."""
    y_pred = model(map_leaves(straight, batch.x), training=True)
    cells = objective.cells(y_pred, batch, class_weight, objective.names_of(model))
    losses = learn(model, objective, cells, y_pred)
    return objective.read(losses, batch.size), y_pred


def straight(leaf):
    """Give an input with its numbers side by side, as a recorded step has it: sums round alike."""
    array = leaf.data if isinstance(leaf, Tensor) else leaf
    if type(array) is not np.ndarray or array.flags["C_CONTIGUOUS"]:
        return leaf
    if not isinstance(leaf, Tensor):
        return np.ascontiguousarray(array)
    return leaf if leaf.requires_grad else Tensor(np.ascontiguousarray(array))


def learn(model, objective: Objective, cells, y_pred) -> Tensor:
    """Compute the losses, their gradients and the step; give the losses, total first."""
    losses = objective.losses(cells, y_pred)
    losses[0].backward()
    weights = objective.weights_of(model)
    objective.optimizer.apply([w.grad for w in weights], weights)
    for weight in weights:
        weight.grad = None
    return joined(losses)
