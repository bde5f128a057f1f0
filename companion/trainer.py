"""A training loop for classifiers: the few steps that every experiment repeats, in one class.

The loop knows neither models nor data sets: model, optimizer, loss and data are arguments. Letter: B examples of
a batch.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

Data: TypeAlias = tuple[Tensor, Tensor] | Iterable[tuple[Tensor, Tensor]]
"""All inputs and all targets as two tensors, or anything that gives batches (x, y) each time it is iterated."""


@dataclass
class History:
    """What a training run left behind; entry i of each list belongs to epoch i.

    `loss` and `accuracy` are means over the examples of an epoch, each measured in training mode just before the
    step that used it. The held-out lists are measured after the epoch in evaluation mode; without held-out data
    they stay empty. `seconds` is the whole run by the clock.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Trainer:
    """Trains a classifier: batches, steps, held-out scores after each epoch, a progress bar.

    Args:
        model: gives (B, classes) scores, of which the largest is its answer; targets are (B,) class indices.
        optimizer: of the model's parameters; what it remembers lives on from one `fit` to the next.
        loss: the mean loss of a batch, from scores and targets to a 0-d tensor.
        augment: changes the inputs of every training batch, on the device; the targets stay.
        device: where to compute; the model is moved there. By default where its parameters are.
        progress: whether to draw a bar. The environment variable TQDM_DISABLE=1 silences all bars.

    Example:
        >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> model = nn.Linear(1, 2)
        >>> trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=1.0), progress=False)
        >>> history = trainer.fit((x, y), epochs=20, batch_size=2)
        >>> len(history.loss), history.accuracy[-1]
        (20, 1.0)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
        augment: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | str | None = None,
        progress: bool = True,
    ) -> None:
        self.device = next(model.parameters()).device if device is None else torch.device(device)
        self.model = model.to(self.device)
        self.optimizer, self.loss, self.augment = optimizer, loss, augment
        self.bar_options: dict[str, Any] = {} if progress else {"disable": True}  # a False would overrule TQDM_DISABLE

    def fit(
        self,
        train: Data,
        *,
        epochs: int,
        batch_size: int = 64,
        held_out: Data | None = None,
        seed: int = 0,
        keep_best: bool = False,
    ) -> History:
        """Pass `epochs` times through the data; the model comes back in the mode in which it was.

        Args:
            train: two tensors, shuffled anew for each epoch, or an iterable of batches, taken as they come.
            epochs: number of passes, >= 1.
            batch_size: examples per step where tensors are given, >= 1; the last batch may be smaller.
            held_out: measured after each epoch, never trained on.
            seed: of the order of the examples, and of nothing else; torch's global generator is left alone.
            keep_best: leave the model as it was after the epoch of highest held-out accuracy (of several, the
                one of lowest held-out loss), also when the run is interrupted; else as it is at the end.

        Raises:
            ValueError: for epochs or batch_size < 1, tensors of different lengths, no data (also in a later
                epoch: a generator can be read only once), or keep_best without held-out data.
            FloatingPointError: if a loss is not finite. The step that it would have caused is not taken.
        """
        if epochs < 1:
            raise ValueError(f"epochs must be >= 1, got {epochs}")
        if keep_best and held_out is None:
            raise ValueError("keep_best needs held_out data to judge by")
        batches = _batches(train, batch_size, shuffle=torch.Generator().manual_seed(seed))
        total = len(batches) * epochs if isinstance(batches, Sized) else None
        history, started = History(), time.perf_counter()
        best_score, best_state = (-math.inf, -math.inf), None
        try:
            with tqdm(total=total, unit="step", **self.bar_options) as bar:
                for _ in range(epochs):
                    with _mode(self.model, training=True):
                        loss, accuracy = self._pass(batches, bar)
                    history.loss.append(loss)
                    history.accuracy.append(accuracy)
                    bar.set_postfix(loss=loss, accuracy=accuracy)
                    if held_out is not None:
                        loss, accuracy = self.evaluate(held_out)
                        history.held_out_loss.append(loss)
                        history.held_out_accuracy.append(accuracy)
                        bar.set_postfix(held_out_loss=loss, held_out_accuracy=accuracy)
                        if keep_best and (accuracy, -loss) > best_score:
                            best_score, best_state = (accuracy, -loss), copy.deepcopy(self.model.state_dict())
        finally:
            if best_state is not None:
                self.model.load_state_dict(best_state)
        history.seconds = time.perf_counter() - started
        return history

    @torch.no_grad()
    def evaluate(self, data: Data, *, batch_size: int = 256) -> tuple[float, float]:
        """Return mean loss and accuracy in evaluation mode, without augmentation; the model stays as it is.

        Raises:
            ValueError: for no data, tensors of different lengths, or batch_size < 1.
            FloatingPointError: if a loss is not finite.
        """
        with _mode(self.model, training=False):
            return self._pass(_batches(data, batch_size))

    def _pass(self, batches: Iterable[tuple[Tensor, Tensor]], bar: tqdm | None = None) -> tuple[float, float]:
        """Go once through the batches, taking a step on each if the model is in training mode; return the means."""
        examples, loss_sum, right = 0, 0.0, torch.zeros((), dtype=torch.int64, device=self.device)
        for x, y in batches:
            x, y = x.to(self.device), y.to(self.device)
            if self.model.training and self.augment is not None:
                x = self.augment(x)
            scores = self.model(x)
            loss = self.loss(scores, y)
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss became {value}: lower the learning rate, check the inputs")
            if self.model.training:
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
            examples += len(y)
            loss_sum += value * len(y)
            right += (scores.argmax(dim=1) == y).sum()
            if bar is not None:
                bar.update()
        if not examples:
            raise ValueError("no data: need tensors with examples, or batches that can be read once per epoch")
        return loss_sum / examples, right.item() / examples


@dataclass(frozen=True)
class _TensorBatches:
    """Batches of two tensors, in their own order or shuffled anew each time they are read."""

    x: Tensor
    y: Tensor
    batch_size: int
    shuffle: torch.Generator | None

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        N = len(self.x)
        order = torch.arange(N) if self.shuffle is None else torch.randperm(N, generator=self.shuffle)
        for start in range(0, N, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.x[rows], self.y[rows]


def _batches(data: Data, batch_size: int, *, shuffle: torch.Generator | None = None) -> Iterable[tuple[Tensor, Tensor]]:
    """Cut two tensors into batches; what is already an iterable of batches passes through."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}")
    match data:
        case (Tensor() as x, Tensor() as y):
            if len(x) != len(y):
                raise ValueError(f"need one target for each input, got {len(x)} inputs and {len(y)} targets")
            return _TensorBatches(x, y, batch_size, shuffle)
    return data


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put the model in training or evaluation mode, and each of its parts back in its own mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode
