"""One step of training on one batch, kernel by kernel: forward, loss, backward, update."""

from tinygrad_astro.tape import Tensor
from tinygrad_astro.training.feed import Batch
from tinygrad_astro.training.objective import Objective, joined


def eager_step(model, objective: Objective, batch: Batch, class_weight=None):
    """Make one step of the optimizer; give (loss, outputs)."""
    y_pred = model(batch.x, training=True)
    cells = objective.cells(y_pred, batch, class_weight, objective.names_of(model))
    losses = learn(model, objective, cells, y_pred)
    return objective.read(losses, batch.size), y_pred


def learn(model, objective: Objective, cells, y_pred) -> Tensor:
    """Compute the losses, their gradients and the step; give the losses, total first."""
    losses = objective.losses(cells, y_pred)
    losses[0].backward()
    weights = objective.weights_of(model)
    objective.optimizer.apply([w.grad for w in weights], weights)
    for weight in weights:
        weight.grad = None
    return joined(losses)
