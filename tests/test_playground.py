"""Playground: its engine against torch and the companion, its experiments, its figure as a reader drives it."""

import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from playwright.sync_api import Page, expect
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from companion.analysis import gradient_norms
from companion.data import circles, gaussians, two_spirals, xor
from companion.layers.mlp import Mlp
from companion.widgets.base import bundle
from companion.widgets.playground import (
    ACTIVATIONS,
    EXAMPLE,
    INITS,
    MOST_OWN,
    OPTIMIZERS,
    OWN_LIMIT,
    PLAIN,
    PRESETS,
    Playground,
)
from tests.figures import accessibility_problems, set_trait, trait

MODULES = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU, "linear": nn.Identity}
HIDDEN = ([8], [8, 8], [5, 3, 4], [8, 8, 8, 8])
LR, L2 = 0.05, 0.01

# --- the engine

TRAIN = """(m, all) => all.map((given) => {
  const network = m.createNetwork(given.sizes, given.activation), count = given.y.length;
  network.params.set(given.params);
  const data = { X: Float64Array.from(given.X), y: Float64Array.from(given.y) };
  const work = m.createWorkspace(network, count), rows = Int32Array.from(data.y.keys()), norms = [];
  m.loadRows(work, data, rows, 0, count);
  const logits = Array.from(m.forward(network, work, count).slice(0, count));
  const loss = m.meanLoss(logits, data.y, count), right = m.accuracy(logits, data.y, count);
  m.backward(network, work, count, 0);
  m.gradientNorms(network, norms);
  m.backward(network, work, count, given.l2);
  const grads = Array.from(network.grads), total = loss + m.penalty(network, given.l2), path = [];
  const optimizer = m.createOptimizer(given.optimizer, network.params.length);
  for (const batch of given.batches) {
    m.trainStep(network, work, optimizer, data, { order: batch, start: 0, length: batch.length }, given);
    path.push(Array.from(network.params));
  }
  return { logits, loss, total, right, grads, norms, path };
})"""


def flat(layers: list[nn.Linear], part: Callable[[Tensor], Tensor | None]) -> list[float]:
    """Weight (out, in) row by row, then bias, layer after layer: the engine's order."""
    return torch.cat([part(p).flatten() for layer in layers for p in (layer.weight, layer.bias)]).tolist()


def optimizer_of_torch(name: str, model: Mlp) -> torch.optim.Optimizer:
    groups = [
        {"params": [layer.weight for layer in model.layers], "weight_decay": L2},
        {"params": [layer.bias for layer in model.layers], "weight_decay": 0.0},
    ]
    if name == "adam":
        return torch.optim.Adam(groups, lr=LR)
    return torch.optim.SGD(groups, lr=LR, momentum=0.9 if name == "momentum" else 0.0)


def check_against_torch(got: dict[str, Any], model: Mlp, optimizer: str, X: Tensor, y: Tensor, batches: list) -> None:
    logits = model(X).squeeze(-1)
    loss = cross_entropy(logits, y)
    total = loss + L2 / 2 * sum((layer.weight**2).sum() for layer in model.layers)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(got["logits"], logits.detach(), **close)
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-12)
    assert got["total"] == pytest.approx(total.item(), rel=1e-12)
    assert got["right"] == ((logits >= 0) == (y == 1)).double().mean().item()
    np.testing.assert_allclose(got["norms"], list(gradient_norms(model, loss).values()), **close)
    total.backward()
    np.testing.assert_allclose(got["grads"], flat(model.layers, lambda p: p.grad), **close)

    stepper = optimizer_of_torch(optimizer, model)
    for batch, params in zip(batches, got["path"], strict=True):
        stepper.zero_grad()
        cross_entropy(model(X[batch]).squeeze(-1), y[batch]).backward()
        stepper.step()
        np.testing.assert_allclose(params, flat(model.layers, lambda p: p.detach()), rtol=1e-8, atol=1e-10)


@pytest.mark.browser
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_engine_equals_torch_in_values_gradients_and_20_steps(run_js, activation, optimizer):
    X, y = 2 * torch.randn(23, 2, dtype=torch.float64), (torch.rand(23) < 0.5).double()
    batches = [torch.randperm(23)[: 7 if step % 4 else 2].tolist() for step in range(20)]
    shared = {"activation": activation, "optimizer": optimizer, "lr": LR, "l2": L2, "batches": batches}
    shared |= {"X": X.flatten().tolist(), "y": y.tolist()}
    models = [Mlp(2, hidden, 1, activation=MODULES[activation]).double() for hidden in HIDDEN]
    given = [
        {**shared, "sizes": [2, *hidden, 1], "params": flat(model.layers, lambda p: p.detach())}
        for hidden, model in zip(HIDDEN, models, strict=True)
    ]
    results = run_js(bundle("mlp_engine"), TRAIN, given)
    for model, got in zip(models, results, strict=True):
        check_against_torch(got, model, optimizer, X, y, batches)


@pytest.mark.browser
def test_loss_of_extreme_logits_neither_overflows_nor_vanishes(run_js):
    logits, y = [-800.0, 800.0, -800.0, 800.0, 0.0], [0, 1, 1, 0, 1]
    got = run_js(bundle("mlp_engine"), "(m, [z, y]) => z.map((v, i) => m.meanLoss([v], [y[i]], 1))", [logits, y])
    assert got == [0, 0, 800, 800, pytest.approx(math.log(2), rel=1e-15)]


def mulberry32(seed: int, count: int) -> list[float]:
    """The generator in Python's unbounded integers."""
    word, state, out = 0xFFFFFFFF, seed, []
    for _ in range(count):
        state = (state + 0x6D2B79F5) & word
        t = (state ^ state >> 15) * (state | 1) & word
        t ^= (t + ((t ^ t >> 7) * (t | 61) & word)) & word
        out.append((t ^ t >> 14) / 2**32)
    return out


@pytest.mark.browser
def test_random_numbers_are_the_same_everywhere(run_js):
    draw = "(m, seeds) => seeds.map((s) => { const u = m.mulberry32(s); return Array.from({ length: 50 }, u); })"
    seeds = [0, 1, 12345, 2**32 - 1]
    assert run_js(bundle("mlp_engine"), draw, seeds) == [mulberry32(seed, 50) for seed in seeds]


@pytest.mark.browser
def test_normal_numbers_are_normal(run_js):
    draw = "(m) => { const u = m.mulberry32(3); return Array.from({ length: 20000 }, () => m.normal(u)); }"
    x = np.array(run_js(bundle("mlp_engine"), draw))
    assert np.isfinite(x).all()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert (x**power).mean() == pytest.approx(moment, abs=0.1)


@pytest.mark.browser
def test_first_weights_have_the_spread_that_torch_would_give(run_js):
    make = """(m, schemes) => schemes.map((scheme) => {
      const n = m.createNetwork([60, 90, 1], "tanh"); m.initialize(n, scheme, m.mulberry32(5));
      return [Array.from(n.params.slice(0, 5400)), Array.from(n.params.slice(5400, 5490))]; })"""
    spread = {
        "zeros": nn.init.zeros_,
        "small_normal": lambda w: nn.init.normal_(w, std=0.01),
        "large_normal": lambda w: nn.init.normal_(w, std=2),
        "xavier_normal": nn.init.xavier_normal_,
        "kaiming_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    }
    assert tuple(spread) == INITS
    for scheme, (weight, bias) in zip(INITS, run_js(bundle("mlp_engine"), make, INITS), strict=True):
        expected = spread[scheme](torch.empty(90, 60)).std().item()
        assert np.std(weight) == pytest.approx(expected, rel=0.05), scheme
        assert not any(bias)


@pytest.mark.browser
def test_an_epoch_takes_every_row_once_in_a_new_order(run_js):
    take = """(m, [count, size, steps]) => { const next = m.createBatches(count, size, m.mulberry32(2));
      return Array.from({ length: steps }, () => { const b = next();
        return { rows: Array.from(b.order.slice(b.start, b.start + b.length)), start: b.start }; }); }"""
    batches = run_js(bundle("mlp_engine"), take, [10, 4, 6])
    assert [len(b["rows"]) for b in batches] == [4, 4, 2, 4, 4, 2]
    first, second = ([row for b in batches[k : k + 3] for row in b["rows"]] for k in (0, 3))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    for size in (0, 10, 99):
        assert [len(b["rows"]) for b in run_js(bundle("mlp_engine"), take, [10, size, 2])] == [10, 10]


# --- the experiment: setting, data, run

SETS = {
    "circles": circles(120, seed=1),
    "xor": xor(120, noise=0.3, seed=1),
    "two_spirals": two_spirals(400, seed=1),
    "gaussians": gaussians(120, seed=1),
}
RUN = """(m, [[state, steps], ...later]) => {
  const read = (state) => {
    const model = { get: (name) => state[name] }, setting = m.readSetting(model);
    return [setting, m.readData(model, setting)];
  };
  const run = m.startRun(...read(state));
  for (let k = 0; k < steps; k++) m.advance(run, read(state)[0]);
  for (const [state, steps] of later) {
    const [setting, data] = read(state);
    m.useData(run, setting, data);
    m.useOptimizer(run, setting);
    for (let k = 0; k < steps; k++) m.advance(run, setting);
  }
  m.measure(run);
  const { trainLoss, heldLoss, trainRight, heldRight } = run;
  const [params, norms] = [run.network.params, run.norms].map((list) => Array.from(list));
  return { trainLoss, heldLoss, trainRight, heldRight, params, norms };
}"""


def state_of(**setting: Any) -> dict[str, Any]:
    widget = Playground(SETS, key="net", **setting)
    return {name: getattr(widget, name) for name in (*widget.linked, "datasets", "defaults")}


@pytest.fixture
def train(run_js):
    """Return train(steps, then=(), **setting): a run without a page, `then` with pairs (steps, tuned settings)."""

    def run(steps: int, then: tuple[tuple[int, dict[str, Any]], ...] = (), **setting: Any) -> dict[str, Any]:
        stages = [(state_of(**setting), steps), *((state_of(**setting | tuned), more) for more, tuned in then)]
        return run_js(bundle("playground"), RUN, stages)

    return run


@pytest.mark.browser
def test_the_same_setting_gives_the_same_run(train):
    assert train(30) == train(30)


@pytest.mark.browser
def test_each_option_changes_the_result(train):
    changes = [{"data": "xor"}, {"data": "own"}, {"hidden": [4, 5]}, {"hidden": [4]}, {"activation": "relu"}]
    changes += [{"optimizer": "sgd"}, {"optimizer": "momentum"}, {"lr": 0.02}, {"batch_size": 8}, {"batch_size": 0}]
    changes += [{"l2": 0.001}, {"init": "kaiming_normal"}, {"noise": 0.1}, {"seed": 1}]
    assert {name for change in changes for name in change} == set(Playground.linked) - {"points"}
    base = train(20)["params"]
    assert [change for change in changes if train(20, **change)["params"] == base] == []


@pytest.mark.browser
def test_own_points_are_all_trained_on(train):
    one = train(20, data="own")
    assert math.isnan(one["heldLoss"])
    moved = [*EXAMPLE[:-3], 1.4, -1.9, 0]
    assert train(20, data="own", points=moved)["params"] != one["params"]
    assert train(20, points=moved)["params"] == train(20)["params"]


@pytest.mark.browser
def test_every_second_point_of_a_class_is_held_out(run_js):
    labels = [0, 0, 1, 0, 1, 1, 1, 0]
    points = [v for i in range(8) for v in (i, -i)]
    cut = """(m, [points, labels, all]) => { const { train, held } = m.split(points, labels, all);
      return [Array.from(train.X), Array.from(train.y), Array.from(held.X), Array.from(held.y)]; }"""
    X, y, held_X, held_y = run_js(bundle("playground"), cut, [points, labels, False])
    assert X[::2] == [0, 2, 3, 5]
    assert y == [0, 1, 0, 1]
    assert held_X[::2] == [1, 4, 6, 7]
    assert held_y == [0, 1, 1, 0]
    assert run_js(bundle("playground"), cut, [points, labels, True]) == [points, labels, [], []]


NONSENSE = {
    "data": "no-such-set",
    "hidden": [99, -3, 2.4, 1e99, 7, 7],
    "activation": {"x": 1},
    "optimizer": "__proto__",
    "lr": -1e99,
    "batch_size": 3.6,
    "l2": 1e99,
    "init": None,
    "noise": "much",
    "points": [99, -99, 1, 0.123, 0.5, 7, "a", 0, 0, None, 1, 1, 5],
    "seed": 12.3,
}


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_setting(run_js):
    read = "(m, state) => m.readSetting({ get: (name) => state[name] })"
    got = run_js(bundle("playground"), read, state_of(l2=0.1) | NONSENSE)
    assert got == {
        "data": "circles",
        "hidden": [8, 1, 2, 8],
        "activation": "tanh",
        "optimizer": "adam",
        "lr": 1e-5,
        "batch_size": 4,
        "l2": 1,
        "init": "xavier_normal",
        "noise": 0,
        "points": [OWN_LIMIT, -OWN_LIMIT, 1, 0.12, 0.5, 0],
        "seed": 12,
    }
    many = run_js(bundle("playground"), read, state_of() | {"points": [1] * 3000, "hidden": []})
    assert len(many["points"]) == 3 * MOST_OWN
    assert many["hidden"] == PLAIN["hidden"]
    Playground(SETS, key="net", **got)  # what the page writes back is what Python accepts


@pytest.mark.browser
def test_noise_is_one_draw_scaled(run_js):
    move = """(m, state) => { const model = { get: (name) => state[name] };
      return Array.from(m.readData(model, m.readSetting(model)).train.X); }"""
    none, some, more = (
        np.array(run_js(bundle("playground"), move, state_of(noise=noise))) for noise in (0.0, 0.2, 0.4)
    )
    np.testing.assert_allclose(more - none, 2 * (some - none), atol=1e-12)
    assert (some - none).std() == pytest.approx(0.2, rel=0.2)


# What the menu's sentences promise, measured.


def preset(start: str, **change: Any) -> dict[str, Any]:
    return next(p["state"] for p in PRESETS if p["name"].startswith(start)) | change


@pytest.mark.browser
def test_spirals_are_learned(train):
    end = train(4000, **preset("Two spirals"))
    assert end["trainRight"] > 0.93
    assert end["trainLoss"] < 0.15


@pytest.mark.browser
def test_four_sigmoid_layers_starve_and_two_ways_out(train):
    stuck = train(2000, **preset("Why does this one not learn"))
    assert stuck["trainLoss"] > 0.69
    assert stuck["norms"] == sorted(stuck["norms"])
    assert stuck["norms"][0] < stuck["norms"][-1] / 50
    assert train(2000, **preset("Why does this one not learn", activation="tanh"))["trainRight"] == 1
    adam = train(3000, **preset("Why does this one not learn", optimizer="adam", lr=0.01))
    assert adam["trainRight"] > 0.95


@pytest.mark.browser
def test_linear_layers_stay_a_line(train):
    deep, one_line = train(1500, **preset("Four layers without")), train(1500, **preset("Rings"))
    assert deep["trainRight"] < 0.75
    assert one_line["trainRight"] == 1


@pytest.mark.browser
def test_zero_weights_keep_units_equal(train):
    end = train(500, **preset("All weights zero"))
    rows = np.array(end["params"][:16]).reshape(8, 2)
    assert (rows == rows[0]).all()
    assert rows[0].any()
    still = np.array(train(500, **preset("All weights zero", activation="tanh"))["params"])
    assert (still[:-1] == 0).all()
    assert still[-1] != 0


@pytest.mark.browser
def test_small_weights_have_small_gradients_in_all_layers(train):
    start, end = (train(steps, **preset("Weights too small")) for steps in (0, 1000))
    assert max(start["norms"]) < 1e-4
    assert end["trainLoss"] > 0.69
    assert train(1000, **preset("Weights too small", init="xavier_normal"))["trainRight"] > 0.95


@pytest.mark.browser
def test_relus_die_of_large_steps(train):
    dead = train(600, **preset("ReLUs that die"))
    assert dead["norms"] == [0, 0, 0]
    assert train(600, **preset("ReLUs that die", lr=0.3))["trainRight"] > 0.95


@pytest.mark.browser
def test_small_steps_are_slow_and_momentum_helps(train):
    plain, momentum = (
        train(2000, **preset("Steps too small", optimizer=name))["trainLoss"] for name in ("sgd", "momentum")
    )
    assert plain > 0.6
    assert momentum < plain - 0.05


@pytest.mark.browser
def test_noise_is_learned_by_heart_unless_weights_are_kept_small(train):
    free = train(3000, **preset("Learning the noise"))
    held = train(3000, **preset("Learning the noise", l2=0.01))
    assert free["heldLoss"] > 2 * free["trainLoss"]
    assert held["heldLoss"] < 0.8 * free["heldLoss"]


# --- the figure


@pytest.fixture
def playground(open_widget) -> Callable[..., Page]:
    def draw(**state: Any) -> Page:
        return open_widget(Playground(SETS, key="net"), **state)

    return draw


def pixels(page: Page, name: str) -> str:
    return page.locator(f".bk-playground-{name}").evaluate("(canvas) => canvas.toDataURL()")


def readout(page: Page) -> dict[str, str]:
    values = page.locator(".bk-playground-readout dd").all_inner_texts()
    return dict(zip(("step", "epoch", "seed", "train", "train_right", "held", "held_right"), values, strict=True))


@pytest.mark.browser
def test_every_number_has_a_name_of_its_own(playground):
    names = playground().locator(".bk-playground-readout dt")
    assert len(set(names.all_inner_texts())) == names.count() == 7
    assert names.evaluate_all("(all) => all.filter((dt) => dt.scrollWidth > dt.clientWidth).length") == 0


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.browser
def test_one_step_moves_every_drawing_and_restart_takes_it_back(playground):
    page = playground()
    expect(page.get_by_role("button", name="Restart")).to_be_disabled()
    names = ("back", "network", "norms", "loss")
    before, start = {name: pixels(page, name) for name in names}, readout(page)
    press(page, "Step")
    assert readout(page)["step"] == "1"
    assert readout(page)["train"] != start["train"]
    expect(page.get_by_role("status").last).to_contain_text("One step: step 1: training loss")
    press(page, "Step")
    for name in names:
        assert pixels(page, name) != before[name], name
    press(page, "Restart")
    assert readout(page) == start
    assert {name: pixels(page, name) for name in names} == before


@pytest.mark.browser
def test_running_trains_until_it_is_paused(playground):
    page = playground()
    press(page, "Run")
    page.wait_for_function("() => +document.querySelector('.bk-playground-readout dd').textContent > 40")
    press(page, "Pause")
    first = readout(page)
    expect(page.get_by_role("status").last).to_contain_text(f"Paused at step {first['step']}")
    page.wait_for_timeout(100)
    assert readout(page) == first
    assert float(first["train"]) < 0.7


PIXEL = """(canvas, [x, y]) => {
  const at = [x * canvas.width, y * canvas.height].map(Math.floor);
  return Array.from(canvas.getContext("2d").getImageData(...at, 1, 1).data.slice(0, 3)); }"""


def pixel(page: Page, name: str, x: float, y: float) -> list[int]:
    """Red, green, blue of a canvas at a share of its width and height."""
    return page.locator(f".bk-playground-{name}").evaluate(PIXEL, [x, y])


@pytest.mark.browser
def test_fields_are_blue_where_class_1_is_and_orange_where_class_0_is(playground):
    page = playground()
    press(page, "Run")
    page.wait_for_function("() => document.querySelectorAll('.bk-playground-readout dd')[4].textContent === '100 %'")
    press(page, "Pause")
    stage, tile = (
        page.locator(selector).bounding_box()
        for selector in (".bk-playground-network", '[role="radio"][aria-checked="true"]')
    )
    left, top = ((tile[a] - stage[a]) / stage[side] for a, side in (("x", "width"), ("y", "height")))
    wide, high = (tile[side] / stage[side] for side in ("width", "height"))
    for name, at in (
        ("back", lambda share: (share, share)),
        ("network", lambda share: (left + share * wide, top + share * high)),
    ):
        red, _, blue = pixel(page, name, *at(0.5))
        assert blue > red + 30, name
        red, _, blue = pixel(page, name, *at(0.12))
        assert red > blue + 30, name


@pytest.mark.browser
def test_the_line_lies_where_a_unit_changes_sides(playground):
    page = playground()
    page.get_by_role("radio", name="Input x₁").click()
    assert max(pixel(page, "back", 0.5, 0.3)) < 90  # ink
    red, _, blue = pixel(page, "back", 0.1, 0.3)
    assert red > blue + 30
    red, _, blue = pixel(page, "back", 0.9, 0.3)
    assert blue > red + 30


@pytest.mark.browser
def test_a_contour_runs_along_its_level(run_js):
    trace = """(m, size) => {
      const at = (i) => 2 * (i + 0.5) / size - 1, values = [], points = [];
      for (let row = 0; row < size; row++) for (let column = 0; column < size; column++)
        values.push(9, Math.hypot(at(column), at(row) / 0.5));
      const pen = { moveTo: (x, y) => points.push([x, y]), lineTo: (x, y) => points.push([x, y]) };
      m.traceContour(pen, values, 2, 1, size, 0.7, 2 / size);
      return points; }"""
    points = np.array(run_js(bundle("playground_canvas"), trace, 40)) - 1
    np.testing.assert_allclose(np.hypot(points[:, 0], points[:, 1] / 0.5), 0.7, atol=0.005)
    starts, ends = ({tuple(point) for point in points[side::2].round(9)} for side in (0, 1))
    assert len(starts | ends) == len(points) / 2  # closed: every point belongs to two pieces


@pytest.mark.browser
def test_bars_are_gradient_norms_on_a_logarithmic_scale(playground, train):
    norms = train(0, **preset("Why does this one not learn"))["norms"]
    page = playground(**preset("Why does this one not learn"))
    tall = """(canvas) => {
      const { width, height } = canvas, { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      return Array.from({ length: width }, (_, x) => {
        const purple = (y) => {
          const at = 4 * (y * width + x), [r, g, b] = data.subarray(at, at + 3);
          return r > g + 60 && b > g + 40;
        };
        return Array.from({ length: height }, (_, y) => y).filter(purple).length; }); }"""
    columns = page.locator(".bk-playground-norms").evaluate(tall)
    heights = [max(bar) for purple, bar in itertools.groupby(columns, key=bool) if purple]
    assert len(heights) == 5
    slope = np.diff(heights) / np.diff(np.log10(norms))
    np.testing.assert_allclose(slope, slope.mean(), rtol=0.25)  # whole pixels
    assert slope.mean() > 5


@pytest.mark.browser
def test_training_goes_on_when_it_is_tuned_and_starts_anew_when_the_network_changes(playground, train):
    page = playground()
    for _ in range(3):
        press(page, "Step")
    weights = pixels(page, "network")
    tuned = {"optimizer": "sgd", "lr": 1.0, "l2": 0.1, "batch_size": 2}
    for name, value in tuned.items():
        set_trait(page, name, value)
    page.wait_for_timeout(50)
    assert readout(page)["step"] == "3"
    assert pixels(page, "network") == weights
    press(page, "Step")
    assert float(readout(page)["train"]) == round(train(3, then=((1, tuned),))["trainLoss"], 4)
    page.get_by_label("Activation").select_option("relu")
    assert readout(page)["step"] == "0"


@pytest.mark.browser
def test_the_page_runs_the_steps_that_the_engine_runs(playground, train):
    page = playground(**preset("Rings"))
    for _ in range(5):
        press(page, "Step")
    assert float(readout(page)["train"]) == round(train(5, **preset("Rings"))["trainLoss"], 4)


@pytest.mark.browser
def test_a_new_seed_gives_other_weights_and_the_old_seed_the_old_ones(playground):
    page = playground()
    before = pixels(page, "network")
    press(page, "New seed")
    assert trait(page, "seed") == 1
    assert pixels(page, "network") != before
    assert readout(page)["seed"] == "1"
    set_trait(page, "seed", 0)
    page.wait_for_function("() => document.querySelectorAll('.bk-playground-readout dd')[2].textContent === '0'")
    assert pixels(page, "network") == before


@pytest.mark.browser
def test_menus_build_the_network(playground):
    page = playground()
    page.get_by_label("Units in hidden layer 4").select_option("7")
    assert trait(page, "hidden") == [4, 4, 7]
    assert page.get_by_role("img", name="Network 2–4–4–7–1, tanh").is_visible()
    assert page.get_by_role("radio", name="Hidden layer 3, unit 7").is_visible()
    expect(page.get_by_label("Units in hidden layer 3")).to_have_value("7")
    page.get_by_label("Units in hidden layer 1").select_option("5")
    page.get_by_label("Units in hidden layer 2").select_option("–")
    assert trait(page, "hidden") == [5, 7]
    assert not page.get_by_role("radio", name="Hidden layer 3, unit 7").is_visible()
    assert page.get_by_label("Units in hidden layer 1").locator("option").all_inner_texts() == list("12345678")


@pytest.mark.browser
def test_a_unit_shows_its_own_field_by_pointer_and_by_keyboard(playground):
    page = playground()
    output = pixels(page, "back")
    page.get_by_role("radio", name="Hidden layer 1, unit 2").click()
    page.mouse.move(0, 0)
    assert page.get_by_text("a = tanh(").is_visible()
    first = pixels(page, "back")
    assert first != output
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("radio", checked=True)
    assert chosen.get_attribute("aria-label") == "Hidden layer 2, unit 3"
    assert page.get_by_role("radio").and_(page.locator('[tabindex="0"]')).count() == 1
    assert pixels(page, "back") not in (output, first)
    page.get_by_label("Units in hidden layer 2").select_option("–")
    expect(page.locator(".bk-playground-out strong")).to_have_text("Network output")
    assert chosen.get_attribute("aria-label") == "Network output"


@pytest.mark.browser
def test_a_pointer_over_a_unit_gives_a_look_at_it(playground):
    page = playground()
    output = pixels(page, "back")
    page.get_by_role("radio", name="Input x₁").hover()
    assert pixels(page, "back") != output
    page.mouse.move(0, 0)
    assert pixels(page, "back") == output


@pytest.mark.browser
def test_points_are_placed_and_taken_away_while_the_weights_stay(playground):
    page = playground(data="own")
    field = page.get_by_role("application")
    press(page, "Step")
    press(page, "class 0")
    box = field.bounding_box()
    field.click(position={"x": 0.75 * box["width"], "y": 0.25 * box["height"]})
    assert trait(page, "points")[-3:] == pytest.approx([OWN_LIMIT / 2, OWN_LIMIT / 2, 0], abs=0.05)
    assert readout(page)["step"] == "1"
    press(page, "delete")
    field.click(position={"x": 0.75 * box["width"] + 3, "y": 0.25 * box["height"]})
    assert trait(page, "points") == list(EXAMPLE)
    press(page, "Clear")
    assert trait(page, "points") == []
    press(page, "Run")
    expect(page.get_by_role("status").last).to_contain_text("no points yet")
    assert readout(page)["train"] == "–"


@pytest.mark.browser
def test_points_are_placed_by_keyboard(playground):
    page = playground(data="own", points=[])
    page.get_by_role("application").focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert trait(page, "points") == [0.5, 0.05, 1]
    expect(page.get_by_role("status").last).to_have_text("Point of class 1 at 0.5, 0.05.")
    page.keyboard.press("Delete")
    assert trait(page, "points") == []


@pytest.mark.browser
def test_presets_set_everything_and_reset_brings_back(playground):
    page = playground()
    start = {name: trait(page, name) for name in Playground.linked}
    for p in PRESETS:
        page.get_by_label("Try").select_option(label=p["name"])
        expect(page.get_by_text(p["note"])).to_be_visible()
        for name, value in p["state"].items():
            assert trait(page, name) == value, (p["name"], name)
        press(page, "Step")
        assert readout(page)["step"] == "1"
    press(page, "Reset")
    assert {name: trait(page, name) for name in Playground.linked} == start
    assert readout(page)["step"] == "0"


@pytest.mark.browser
def test_a_loss_beyond_all_numbers_stops_and_is_explained(playground):
    page = playground(hidden=[8, 8, 8], activation="linear", optimizer="momentum", lr=10, init="large_normal")
    page.get_by_label("Speed").select_option("fast")
    press(page, "Run")
    expect(page.get_by_role("status").last).to_contain_text("no longer a finite number")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()


@pytest.mark.browser
def test_a_change_from_the_kernel_is_drawn_until_the_figure_is_closed(playground):
    page = playground()
    before = pixels(page, "back")
    set_trait(page, "data", "xor")
    expect(page.get_by_label("Data", exact=True)).to_have_value("xor")
    assert pixels(page, "back") != before
    set_trait(page, "lr", 0.02)
    expect(page.locator(".bk-slider", has_text="Learning rate").locator("output")).to_have_text("0.02")
    after = pixels(page, "back")
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("() => window.stop()")
    assert page.evaluate("window.model.count()") == 0
    set_trait(page, "data", "circles")
    page.wait_for_timeout(50)
    assert pixels(page, "back") == after


@pytest.mark.browser
def test_drawings_follow_the_theme(playground):
    page = playground()
    names = ("back", "front", "network", "norms", "loss")
    light = {name: pixels(page, name) for name in names}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        "(before) => document.querySelector('.bk-playground-loss').toDataURL() !== before", arg=light["loss"]
    )
    for name in names:
        assert pixels(page, name) != light[name], name


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("data", ["circles", "own"])
def test_playground_is_accessible_and_fits(playground, theme, width, data):
    page = playground(data=data, hidden=[8, 8, 8, 8])
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    press(page, "Step")
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# --- the Python class


def test_playground_keeps_what_it_is_given():
    X, y = np.array([[0, 1], [2, 3], [4, 5.12345], [6, 7]]), np.array([0, 0, 1, 1])
    widget = Playground({"mine": (X, y)}, key="net", hidden=(3,), lr=0.5, points=[1, 2, 1], seed=7)
    assert widget.datasets == {"mine": {"points": [0, 1, 2, 3, 4, 5.123, 6, 7], "labels": [0, 0, 1, 1]}}
    assert (widget.data, widget.hidden, widget.lr, widget.points, widget.seed) == ("mine", [3], 0.5, [1, 2, 1], 7)
    assert widget.defaults == {name: getattr(widget, name) for name in Playground.linked}
    assert widget.presets == []
    json.dumps(widget.get_state(["datasets", "defaults"]))


def test_experiments_fit_the_data_and_are_valid():
    widget = Playground({"circles": SETS["circles"], "two_spirals": SETS["two_spirals"]}, key="net")
    assert {p["state"]["data"] for p in widget.presets} == {"circles", "two_spirals"}
    for p in PRESETS:
        state = p["state"]
        assert state.keys() == {"data", *PLAIN}
        made = Playground(SETS, key="net", **state)
        assert {name: getattr(made, name) for name in state} == state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "moons"}, "data must be one of circles, xor, two_spirals, gaussians, own, got 'moons'"),
        ({"hidden": []}, "1 to 4 layers of 1 to 8 units, got []"),
        ({"hidden": [8] * 5}, "1 to 4 layers"),
        ({"hidden": [8, 9]}, "got [8, 9]"),
        ({"hidden": [0]}, "got [0]"),
        ({"activation": "gelu"}, "activation must be one of tanh, sigmoid, relu, linear, got 'gelu'"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, momentum, adam, got 'lion'"),
        ({"init": "ones"}, "init must be one of zeros"),
        ({"lr": 0.0}, "lr must be from 1e-05 to 10, got 0.0"),
        ({"lr": math.nan}, "lr must be from 1e-05 to 10, got nan"),
        ({"lr": math.inf}, "got inf"),
        ({"batch_size": -1}, "batch_size must be from 0 to 1000, got -1"),
        ({"l2": -0.1}, "l2 must be from 0 to 1, got -0.1"),
        ({"noise": 1.5}, "noise must be from 0 to 1, got 1.5"),
        ({"seed": 10000}, "seed must be from 0 to 9999, got 10000"),
        ({"points": [0, 1]}, "one after the other, got 2 numbers"),
        ({"points": [0, 0, 1] * 151}, "at most 150 points"),
        ({"points": [0, 4, 1]}, "a coordinate in points must be from -3.5 to 3.5, got 4"),
        ({"points": [0, math.nan, 1]}, "got nan"),
        ({"points": [0, 1, 2]}, "a class in points must be 0 or 1, got 2"),
    ],
    ids=str,
)
def test_playground_refuses_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Playground(SETS, key="net", **change)


GOOD = (np.zeros((4, 2)), np.array([0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("datasets", "kind", "message"),
    [
        ([GOOD], TypeError, "datasets must map names to pairs (X, y), got list"),
        ({}, ValueError, "at least one data set"),
        ({"a": GOOD[0]}, TypeError, "data set 'a' must be a pair (X, y), got ndarray"),
        ({"a": (*GOOD, 1)}, TypeError, "must be a pair"),
        ({3: GOOD}, TypeError, "a data set's name must be a string, got 3"),
        ({"own": GOOD}, ValueError, "'own'"),
        ({"": GOOD}, ValueError, "must not be empty"),
        ({"a": (np.zeros((4, 3)), GOOD[1])}, ValueError, "must be X (n, 2) and y (n,), got (4, 3) and (4,)"),
        ({"a": (GOOD[0], GOOD[1][:3])}, ValueError, "got (4, 2) and (3,)"),
        ({"a": (np.zeros((0, 2)), np.zeros(0))}, ValueError, "2 points or more of each class, got 0 and 0"),
        ({"a": (GOOD[0], np.array([0, 1, 1, 1]))}, ValueError, "got 1 and 3"),
        ({"a": (GOOD[0], np.array([0, 0, 1, 2]))}, ValueError, "must have classes 0 and 1, got 2"),
        ({"a": (GOOD[0], np.array([0, 0, 1, math.nan]))}, ValueError, "must have classes 0 and 1, got nan"),
        ({"a": (GOOD[0] + math.nan, GOOD[1])}, ValueError, "must be finite, got nan"),
        ({"a": (np.zeros((1001, 2)), np.zeros(1001))}, ValueError, "at most 1000 points, got 1001"),
    ],
    ids=str,
)
def test_playground_refuses_data_that_make_no_sense(datasets, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        Playground(datasets, key="net")


def test_a_setting_of_a_wrong_type_is_refused_and_the_old_one_stays():
    widget = Playground(SETS, key="net")
    with pytest.raises(traitlets.TraitError, match="seed"):
        widget.seed = "seven"
    with pytest.raises(ValueError, match="seed must be from 0 to 9999, got -1"):
        widget.seed = -1
    assert widget.seed == 0
