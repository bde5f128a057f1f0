import copy
import functools
import io
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from companion.trainer import History, Trainer


def problem(N=23, seed=0):
    """Three classes of points, told apart by their first coordinate but for some noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, 4, generator=generator, dtype=torch.float64)
    y = torch.bucketize(x[:, 0] + 0.3 * torch.randn(N, generator=generator), torch.tensor([-0.4, 0.4]))
    return x, y


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).double()


def trainer(model, *, lr=0.1, **options):
    return Trainer(model, torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9), progress=False, **options)


class Batches:
    """Re-readable batches of unknown number, in the order in which a trainer with this seed would cut them."""

    def __init__(self, x, y, batch_size, seed):
        self.x, self.y, self.batch_size = x, y, batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self):
        for rows in torch.randperm(len(self.x), generator=self.generator).split(self.batch_size):
            yield self.x[rows], self.y[rows]


def assert_same(model, other):
    for p, q in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=0)


def test_equals_a_loop_written_out():
    (x, y), model = problem(), network()
    reference = copy.deepcopy(model)
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9)
    generator, losses, accuracies = torch.Generator().manual_seed(5), [], []
    reference.train()
    for _ in range(3):
        losses.append(0.0)
        accuracies.append(0.0)
        order = torch.randperm(23, generator=generator).tolist()
        for rows in (order[:5], order[5:10], order[10:15], order[15:20], order[20:]):
            scores = reference(x[rows])
            loss = F.cross_entropy(scores, y[rows])
            losses[-1] += loss.item() * len(rows) / 23
            accuracies[-1] += (scores.argmax(1) == y[rows]).double().sum().item() / 23
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    history = trainer(model).fit((x, y), epochs=3, batch_size=5, seed=5)
    assert_same(model, reference)
    assert history.loss == pytest.approx(losses, rel=1e-12)
    assert history.accuracy == pytest.approx(accuracies, rel=1e-12)
    assert history.held_out_loss == history.held_out_accuracy == []
    assert history.seconds > 0


def test_evaluate_is_the_mean_over_all_examples_in_evaluation_mode():
    (x, y), model = problem(), network()
    t = trainer(model)
    t.fit((x, y), epochs=2)
    before = copy.deepcopy(model.state_dict())
    loss, accuracy = t.evaluate((x, y), batch_size=7)  # unequal batches, running statistics of BatchNorm
    scores = model.eval()(x)
    assert loss == pytest.approx(F.cross_entropy(scores, y).item(), rel=1e-12)
    assert accuracy == pytest.approx((scores.argmax(1) == y).double().mean().item())
    assert all(torch.equal(p, q) for p, q in zip(before.values(), model.state_dict().values(), strict=True))
    assert not any(p.grad is not None and p.grad.isnan().any() for p in model.parameters())


def test_history_has_one_entry_per_epoch():
    (x, y), held_out = problem(), problem(seed=1)
    t = trainer(network())
    history = t.fit((x, y), epochs=4, batch_size=8, held_out=held_out)
    lengths = [len(values) for name, values in vars(history).items() if name != "seconds"]
    assert lengths == [4, 4, 4, 4]
    assert (history.held_out_loss[-1], history.held_out_accuracy[-1]) == t.evaluate(held_out)
    assert History() == History(loss=[], accuracy=[], held_out_loss=[], held_out_accuracy=[], seconds=0.0)


def test_an_iterable_of_batches_equals_tensors():
    x, y = problem()
    one, other = network(), network()
    histories = [
        trainer(one).fit((x, y), epochs=3, batch_size=6, seed=2, held_out=(x, y)),
        trainer(other).fit(Batches(x, y, 6, 2), epochs=3, batch_size=999, held_out=[(x[:4], y[:4]), (x[4:], y[4:])]),
    ]
    assert_same(one, other)
    assert histories[0].loss == histories[1].loss
    assert histories[0].held_out_loss == pytest.approx(histories[1].held_out_loss, rel=1e-12)


def test_the_seed_orders_the_examples_and_nothing_else():
    x, y = problem()
    models = [network() for _ in range(3)]
    torch.manual_seed(11)
    state = torch.get_rng_state()
    for model, seed in zip(models, (7, 7, 8), strict=True):
        trainer(model).fit((x, y), epochs=2, batch_size=5, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
    assert_same(models[0], models[1])
    assert not torch.equal(models[0][0].weight, models[2][0].weight)


def test_each_epoch_has_an_order_of_its_own_and_every_example_once():
    x, y = torch.arange(23.0)[:, None], torch.zeros(23, dtype=torch.int64)
    seen = []
    model = nn.Linear(1, 2)
    t = trainer(model, lr=0.0, augment=lambda batch: seen.append(batch[:, 0].tolist()) or batch)
    t.fit((x, y), epochs=2, batch_size=10)
    assert [len(batch) for batch in seen] == [10, 10, 3, 10, 10, 3]
    first, second = [*itertools.chain(*seen[:3])], [*itertools.chain(*seen[3:])]
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second


def scripted(accuracies_and_losses):
    """Return a trainer whose held-out scores are given; its model counts epochs in its bias."""
    model = nn.Linear(1, 2)
    t = trainer(model)
    script = iter(accuracies_and_losses)

    def evaluate(_data):
        with torch.no_grad():
            model.bias += 1
        accuracy, loss = next(script)
        return loss, accuracy

    t.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    t.evaluate = evaluate
    nn.init.zeros_(model.bias)
    return t


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 1.0), (0.9, 0.5), (0.8, 0.1)], 2),  # accuracy decides
        ([(0.9, 0.3), (0.9, 0.2), (0.9, 0.4)], 2),  # then the loss
        ([(0.9, 0.2), (0.9, 0.2), (0.1, 0.1)], 1),  # then the earlier one
    ],
)
def test_keep_best_restores_the_best_epoch(scores, best):
    data = torch.zeros(2, 1), torch.tensor([0, 1])
    t = scripted(scores)
    t.fit(data, epochs=3, held_out=data, keep_best=True)
    assert t.model.bias.tolist() == [best, best]
    t = scripted(scores)
    t.fit(data, epochs=3, held_out=data)
    assert t.model.bias.tolist() == [3, 3]


def test_keep_best_survives_an_interruption():
    data = torch.zeros(2, 1), torch.tensor([0, 1])
    t = scripted([(0.9, 0.2), (0.8, 0.2)])
    with pytest.raises(StopIteration):  # the script ends in the third epoch
        t.fit(data, epochs=5, held_out=data, keep_best=True)
    assert t.model.bias.tolist() == [1, 1]


def test_keep_best_on_real_scores():
    x, y = problem(60)
    held_out = problem(40, seed=1)
    t = trainer(network(), lr=0.5)
    history = t.fit((x, y), epochs=15, batch_size=10, held_out=held_out, keep_best=True)
    loss, accuracy = t.evaluate(held_out)
    assert accuracy == max(history.held_out_accuracy) > history.held_out_accuracy[0]
    assert loss == min(
        v for v, a in zip(history.held_out_loss, history.held_out_accuracy, strict=True) if a == accuracy
    )


def test_modes():
    x, y = problem()
    model = network().eval()
    model[2].train()  # parts may be in modes of their own
    seen = []
    model[1].register_forward_hook(lambda module, *_: seen.append(module.training))
    trainer(model).fit((x, y), epochs=2, batch_size=23, held_out=(x, y))
    assert seen == [True, False, True, False]
    assert [module.training for module in model] == [False, False, True, False]
    assert not model.training


def test_the_mode_is_restored_after_an_error():
    x, y = problem()
    model = network().eval()
    with pytest.raises(FloatingPointError):
        trainer(model).fit((x * float("nan"), y), epochs=1)
    assert not model[1].training


def test_augment_sees_training_batches_only():
    x, y = problem()
    one, other = network(), network()
    trainer(one, augment=lambda batch: 2 * batch).fit((x, y), epochs=2, batch_size=6)
    trainer(other).fit((2 * x, y), epochs=2, batch_size=6)
    assert_same(one, other)
    assert trainer(one, augment=lambda batch: 0 * batch).evaluate((x, y)) == trainer(one).evaluate((x, y))


def test_the_loss_is_an_argument():
    x, y = problem()
    model = network()
    smooth = nn.CrossEntropyLoss(label_smoothing=0.2)
    loss, _ = trainer(model, loss=smooth).evaluate((x, y))
    assert loss == pytest.approx(smooth(model.eval()(x), y).item())
    assert loss != pytest.approx(trainer(model).evaluate((x, y))[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_step(value):
    x, y = problem()
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(FloatingPointError, match=f"the loss became {value}: lower the learning rate"):
        trainer(model, loss=lambda scores, _: scores.sum() * 0 + value).fit((x, y), epochs=1)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_device_moves_model_and_batches():
    x, y = problem()
    model = network()
    t = trainer(model, device="meta")
    assert t.device == torch.device("meta")
    assert all(p.is_meta for p in model.parameters())
    assert trainer(network()).device == torch.device("cpu")
    seen = []

    def stop(scores, targets):
        seen.extend([scores.device.type, targets.device.type])
        raise InterruptedError

    t.loss = stop
    with pytest.raises(InterruptedError):
        t.evaluate((x, y))
    assert seen == ["meta", "meta"]


def test_errors():
    x, y = problem()
    t = trainer(network())
    with pytest.raises(ValueError, match="epochs must be >= 1, got 0"):
        t.fit((x, y), epochs=0)
    with pytest.raises(ValueError, match="batch_size must be >= 1, got -2"):
        t.fit((x, y), epochs=1, batch_size=-2)
    with pytest.raises(ValueError, match="keep_best needs held_out"):
        t.fit((x, y), epochs=1, keep_best=True)
    with pytest.raises(ValueError, match="one target for each input, got 23 inputs and 22 targets"):
        t.fit((x, y[1:]), epochs=1)
    with pytest.raises(ValueError, match="no data"):
        t.fit((x[:0], y[:0]), epochs=1)
    with pytest.raises(ValueError, match="no data"):
        t.evaluate([])
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        t.evaluate((x, y), batch_size=0)


def test_a_generator_can_be_read_only_once():
    x, y = problem()
    t = trainer(network())
    t.fit(iter([(x, y)]), epochs=1)
    with pytest.raises(ValueError, match="can be read once per epoch"):
        t.fit(iter([(x, y)]), epochs=2)


def bar_of(monkeypatch, data, **options):
    drawn = io.StringIO()
    monkeypatch.setattr("companion.trainer.tqdm", functools.partial(tqdm, disable=False, file=drawn))
    model = network()
    t = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), **options)
    t.fit(data, epochs=2, batch_size=8, held_out=problem())
    return drawn.getvalue()


def test_progress_bar(monkeypatch):
    x, y = problem()
    assert "6/6" in (bar := bar_of(monkeypatch, (x, y)))  # 3 steps an epoch
    assert "held_out_accuracy=" in bar
    assert "2/2" in bar_of(monkeypatch, [(x, y)])
    assert "4step" in bar_of(monkeypatch, Batches(x, y, 12, 0))  # their number is not known before
    assert bar_of(monkeypatch, (x, y), progress=False) == ""


def test_the_environment_may_silence_bars(monkeypatch):
    asked = []
    monkeypatch.setattr("companion.trainer.tqdm", lambda **options: asked.append(options) or tqdm(disable=True))
    trainer_with_bar = Trainer(model := network(), torch.optim.SGD(model.parameters(), lr=0.1))
    trainer_with_bar.fit(problem(), epochs=1)
    assert "disable" not in asked[0]  # given, it would overrule TQDM_DISABLE
