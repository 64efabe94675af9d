"""What `compile` leaves in a model: an optimizer, and for every output its loss and its metrics."""

import copy
from functools import partial
from typing import Any

import numpy as np

from tinygrad_astro import losses, ops, optimizers
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.losses.labels import Cells, as_labels, spread_over
from tinygrad_astro.losses.loss import Loss, as_prediction
from tinygrad_astro.metrics import Mean
from tinygrad_astro.tape import Tensor
from tinygrad_astro.training.outputs import checked_shares, get_metrics, matched, per_output


class Output:
    """One output of a model: its name, its loss with its share, and its metrics."""

    def __init__(self, name, loss, share, plain, weighted):
        self.name, self.loss, self.share = name, loss, share
        self.plain, self.weighted = plain, weighted
        self.mean_loss = Mean()

    def named_metrics(self, several):
        """List (name in logs, metric), the output's name in front where there are several."""
        found = {}
        for metric in [*self.plain, *self.weighted]:
            name = f"{self.name}_{metric.name}" if several else metric.name
            name = name if name not in found else f"weighted_{name}"
            while name in found:
                name += "_1"
            found[name] = metric
        return list(found.items())


class Objective:
    """The optimizer, losses and metrics of a model; made by `compile`.

    Parameters
    ----------
    optimizer : str, Optimizer or dict
        As in `optimizers.get`.
    loss : str, Loss, function, or a list or dict of these, one per output
        As in `losses.get`; None for an output without a loss.
    loss_weights : list or dict of float, optional
        Factors of the outputs' losses in the total.
    metrics, weighted_metrics : list, or a list or dict of lists, one per output
        As in `metrics.get`; only the latter see sample weights.
    jit_compile : bool or "auto"
        Whether steps are recorded and repeated; see `compile`.

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If numbers stand where metrics belong, or anything else where `loss_weights` does.
    """

    def __init__(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        jit_compile="auto",
    ):
        if not isinstance(jit_compile, bool) and jit_compile != "auto":
            raise ValueError(f'jit_compile={jit_compile!r}: expected True, False or "auto"')
        self.jit_compile = jit_compile
        self.recorded: Any = None  # the steps that were recorded, once there are some
        self.optimizer = optimizers.get(optimizer)
        for one in leaves(loss):
            if one is not None:
                losses.get(one)
        self.spec, self._shares = loss, checked_shares(loss_weights)
        self._plain, self._weighted = get_metrics(metrics), get_metrics(weighted_metrics)
        self.outputs: list[Output] | None = None
        self.mean_loss = Mean("loss")
        self._trained: list[Tensor] = []

    @property
    def has_metrics(self) -> bool:
        """Whether anything but the one loss is measured."""
        outputs = self.outputs or []
        return len(outputs) > 1 or any(output.plain or output.weighted for output in outputs)

    def weights_of(self, model) -> list[Tensor]:
        """Give the weights that are trained, as they were at the first step after `compile`."""
        if not self._trained:
            self._trained = model.trainable_weights
        return self._trained

    def names_of(self, model) -> list[str] | None:
        """Name the outputs of a functional model after their layers; None once they are built."""
        graph = getattr(model, "graph", None) if self.outputs is None else None
        if graph is None:
            return None
        return [symbol.node.layer.name for symbol in leaves(graph.outputs)]

    def build(self, y_pred, names=None) -> list[Output]:
        """Give each output in `y_pred` its loss and metrics, once."""
        if self.outputs is not None:
            return self.outputs
        count = len(leaves(y_pred))
        if isinstance(y_pred, dict):
            names = list(y_pred)
        names = list(names or [f"output_{i}" for i in range(count)])
        loss = per_output(self.spec, names, "loss")
        shares = per_output(self._shares, names, "loss_weights", default=1.0)
        plain = per_output(self._plain, names, "metrics", nested=True)
        weighted = per_output(self._weighted, names, "weighted_metrics", nested=True)
        if all(one is None for one in loss):
            raise ValueError("no loss: call model.compile(optimizer, loss) before training")
        self.outputs = [
            Output(name, None if one is None else losses.get(one), share, p or [], w or [])
            for name, one, share, p, w in zip(names, loss, shares, plain, weighted, strict=True)
        ]
        return self.outputs

    def cells(self, y_pred, batch, class_weight=None, names=None) -> list:
        """Check a batch's labels and weights, on the host: one `Cells` per output with a loss.

        Of the predictions only shapes and dtypes are looked at.
        """
        outputs = self.build(y_pred, names)
        found: list = []
        columns = [matched(part, outputs) for part in batch[1:]]
        for output, prediction, *data in zip(outputs, floating(y_pred), *columns, strict=True):
            if output.loss is None:
                found.append(None)
                continue
            if data[0] is None:
                raise ValueError(f"output {output.name!r} has a loss but got no labels y")
            loss = output.loss if class_weight is None else with_classes(output.loss, class_weight)
            if type(loss).__call__ is Loss.__call__:
                found.append(loss.prepare(data[0], prediction, *data[1:]))
            else:  # one that goes its own way, all of it at once
                found.append(partial(of_all, loss, data))
        return found

    def losses(self, cells, y_pred) -> list[Tensor]:
        """Give the total loss, the sum of the outputs' losses times their shares, then each."""
        total, parts = None, []
        columns = self.outputs or [], floating(y_pred), cells
        for output, prediction, cell in zip(*columns, strict=True):
            if output.loss is None:
                continue
            if isinstance(cell, Cells):
                there = cell.on(prediction.dtype, prediction.device)
                value = output.loss.of_cells(there, prediction)
            else:
                value = cell(prediction)
            parts.append(value)
            value = value if output.share == 1.0 else value * output.share
            total = value if total is None else total + value
        return [total, *(parts if len(cells) > 1 else [])]

    def read(self, losses, size) -> float:
        """Give the total loss as a number, asking the device once; add the others to their means.

        `losses` is what `joined` gave, `size` the number of samples.
        """
        if losses.ndim == 0:
            return float(losses.item())
        total, *parts = losses.detach().numpy().tolist()
        with_loss = [output for output in self.outputs or [] if output.loss is not None]
        for output, value in zip(with_loss, parts, strict=True):
            output.mean_loss.add(np.float64(value), float(size))
        return total

    def update(
        self, loss: float, y_true, y_pred, sample_weight=None, mask=None, class_weight=None
    ) -> None:
        """Add a batch to the means and metrics."""
        y_pred = leaves(y_pred)
        self.mean_loss.add(np.float64(loss), float(y_pred[0].shape[0]))
        outputs = self.outputs or []
        if not any(output.plain or output.weighted for output in outputs):
            return
        columns = [matched(part, outputs) for part in (y_true, sample_weight, mask)]
        for output, prediction, truth, weight, kept in zip(outputs, y_pred, *columns, strict=True):
            if not output.plain and not output.weighted:
                continue
            prediction, truth = prediction.numpy(), data_of(truth)
            kept = without_ignored(output.loss, truth, prediction, kept)
            for metric in output.plain:
                metric.update_state(truth, prediction, None, kept)
            if class_weight is not None and output.weighted:
                weight = weight_of_cells(output.loss, class_weight, truth, prediction, weight, kept)
            for metric in output.weighted:
                metric.update_state(truth, prediction, weight, kept)

    def results(self) -> dict:
        """Give the means and metrics since the last reset, by their names in logs."""
        logs = {"loss": self.mean_loss.result()}
        outputs = self.outputs or []
        if len(outputs) > 1:
            logs |= {f"{o.name}_loss": o.mean_loss.result() for o in outputs if o.loss is not None}
        for output in outputs:
            logs |= {n: m.result() for n, m in output.named_metrics(len(outputs) > 1)}
        return logs

    def meters(self) -> dict:
        """Give all that accumulates over an epoch, by name."""
        found = {"loss": self.mean_loss}
        for i, output in enumerate(self.outputs or []):
            found[f"{i}/loss"] = output.mean_loss
            for j, metric in enumerate([*output.plain, *output.weighted]):
                found[f"{i}/{j}"] = metric
        return found

    def reset(self) -> None:
        """Forget all batches."""
        for meter in self.meters().values():
            meter.reset_state()

    def direction(self, name: str) -> str | None:
        """Tell whether "up" or "down" is better for the log `name`, None if nobody knows."""
        name = name.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return "down"
        outputs = self.outputs or []
        for output in outputs:
            for known, metric in output.named_metrics(len(outputs) > 1):
                if known == name:
                    return metric.better
        return None


def joined(losses) -> Tensor:
    """Give the total loss, with those of several outputs behind it, as one Tensor off the tape."""
    losses = [one.detach() for one in losses]
    return losses[0] if len(losses) == 1 else ops.stack(losses)


def of_all(loss, data, y_pred):
    """Give the loss from labels, weights and mask."""
    return loss(data[0], y_pred, *data[1:])


def floating(y_pred) -> list:
    """List the predictions, whole numbers made floating."""
    return [p if p.dtype.kind == "f" else as_prediction(p) for p in leaves(y_pred)]


def with_classes(loss, class_weight):
    """Give a copy of the loss with other class weights."""
    loss = copy.copy(loss)
    loss.class_weight = class_weight
    return loss


def weight_of_cells(loss, class_weight, y_true, y_pred, sample_weight, mask):
    """Combine weights of samples and classes for the weighted metrics."""
    cells = with_classes(loss, class_weight).prepare(y_true, y_pred, sample_weight, mask)
    return (
        cells.weight if cells.pixels is None else cells.pixels[..., 0]
    )  # in all channels the same


def data_of(values):
    """Give Tensors as arrays."""
    return values.detach().numpy() if isinstance(values, Tensor) else values


def without_ignored(loss, y_true, y_pred, mask):
    """Mask for metrics the labels that the loss ignores."""
    if loss is None or loss.ignore_index is None:
        return mask
    y_true = as_labels(y_true)
    kept = y_true != loss.ignore_index
    if y_true.shape == y_pred.shape and y_pred.shape[-1] > 1:
        kept = kept.any(axis=-1)
    return kept if mask is None else kept & spread_over(data_of(mask) != 0, kept.shape, "mask")
