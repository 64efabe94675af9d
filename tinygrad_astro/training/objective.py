"""What `compile` leaves in a model: an optimizer, and for every output its loss and its metrics."""

import copy
from numbers import Real

import numpy as np

from tinygrad_astro import losses, metrics, optimizers
from tinygrad_astro.layers.structure import leaves
from tinygrad_astro.losses.labels import as_labels, spread_over
from tinygrad_astro.losses.segmentation import RegionLoss
from tinygrad_astro.metrics import Mean
from tinygrad_astro.tape import Tensor


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

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If numbers stand where metrics belong, or anything else where `loss_weights` does.
    """

    def __init__(
        self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None
    ):
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

    def loss(self, y_true, y_pred, sample_weight=None, mask=None, class_weight=None, names=None):
        """Give the total loss, a Tensor: the sum of the outputs' losses times their shares."""
        outputs, total = self.build(y_pred, names), None
        y_pred = leaves(y_pred)
        columns = [matched(part, outputs) for part in (y_true, sample_weight, mask)]
        for output, prediction, *data in zip(outputs, y_pred, *columns, strict=True):
            if output.loss is None:
                continue
            if data[0] is None:
                raise ValueError(f"output {output.name!r} has a loss but got no labels y")
            loss = output.loss if class_weight is None else with_classes(output.loss, class_weight)
            value = loss(data[0], prediction, *data[1:])
            if len(outputs) > 1:
                output.mean_loss.add(np.float64(value.item()), float(prediction.shape[0]))
            value = value if output.share == 1.0 else value * output.share
            total = value if total is None else total + value
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


def get_metrics(spec):
    """Make the metrics in a nest of names, keeping the nest."""
    if spec is None:
        return None
    if isinstance(spec, dict):
        return {key: get_metrics(part) for key, part in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [get_metrics(part) for part in spec]
    if isinstance(spec, Real):
        raise TypeError(
            f"compile got the number {spec!r} among the metrics, expected names, Metrics or "
            "functions; factors of the outputs' losses are compile(..., loss_weights=...)"
        )
    return metrics.get(spec)


def checked_shares(spec):
    """Give the factors of the losses back, if numbers they are."""
    for share in leaves(spec):
        if share is not None and (isinstance(share, bool) or not isinstance(share, Real)):
            raise TypeError(
                f"compile got {share!r} among the loss_weights, expected numbers, one per output; "
                "metrics, Keras's fourth argument, are the third here: write compile(optimizer, "
                "loss, metrics=...)"
            )
    return spec


def per_output(spec, names, what, default=None, nested=False):
    """Spread what the user gave for all outputs, or per output by position or name."""
    if spec is None:
        return [default] * len(names)
    if isinstance(spec, dict):
        unknown = set(spec) - set(names)
        if unknown:
            raise ValueError(
                f"{what} has the keys {sorted(map(str, unknown))}, but the outputs are {names}"
            )
        found = [spec.get(name, default) for name in names]
    elif len(names) == 1 and nested:
        found = [leaves(spec)]
    elif isinstance(spec, (list, tuple)) and (len(names) > 1 or not nested):
        if len(spec) != len(names):
            raise ValueError(
                f"{what} has {len(spec)} entries, expected one for each of the outputs {names}"
            )
        found = list(spec)
    else:
        found = [spec] * len(names)
    return [leaves(one) if nested and one is not None else one for one in found]


def matched(part, outputs):
    """List what belongs to each output, in their order; a single array belongs to all."""
    if isinstance(part, dict):
        wrong = set(part) ^ {output.name for output in outputs}
        if wrong:
            raise ValueError(
                f"data has the keys {sorted(map(str, part))}, expected the outputs "
                f"{[output.name for output in outputs]}"
            )
        return [part[output.name] for output in outputs]
    if isinstance(part, (list, tuple)) and not np.isscalar(part[0] if part else 0.0):
        if len(part) != len(outputs):
            raise ValueError(f"got {len(part)} arrays for {len(outputs)} outputs")
        return list(part)
    return [part] * len(outputs)


def with_classes(loss, class_weight):
    """Give a copy of the loss with other class weights."""
    loss = copy.copy(loss)
    loss.class_weight = class_weight
    return loss


def weight_of_cells(loss, class_weight, y_true, y_pred, sample_weight, mask):
    """Combine weights of samples and classes for the weighted metrics."""
    weight = with_classes(loss, class_weight).prepare(y_true, y_pred, sample_weight, mask)[2]
    return weight[..., 0] if isinstance(loss, RegionLoss) else weight  # the same in all channels


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
