"""DrawDigit: its engine against torch, its reduction against a second one, its figure as a reader drives it."""

import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import traitlets
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn.functional import interpolate

from companion.models.lenet import LeNet5
from companion.widgets.base import bundle
from companion.widgets.draw_digit import LAYERS, PRESETS, SHAPES, DrawDigit, encode_drawing
from tests.figures import accessibility_problems, set_trait, trait

STROKES = json.loads((Path(__file__).parent / "strokes.json").read_text(encoding="utf-8"))
DIGITS = load_digits()
COUNTS, LABELS = DIGITS.images, DIGITS.target
EXAMPLES = [(COUNTS[i], int(LABELS[i])) for i in range(5)]

MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "avg": nn.AvgPool2d, "max": nn.MaxPool2d}
KINDS = [("tanh", "avg"), ("relu", "max"), ("relu", "avg")]


def network(activation: str = "tanh", pool: str = "avg") -> LeNet5:
    """A float64 LeNet-5 whose weights float16 holds exactly, spread so that all layers say something."""
    torch.manual_seed(1)
    model = LeNet5(activation=MODULES[activation], pool=MODULES[pool]).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((2 * p).half())
    return model


def weights_of(model: LeNet5) -> list[tuple[str, np.ndarray]]:
    return [(name, p.detach().numpy()) for name, p in model.named_parameters()]


def widget(activation: str = "tanh", pool: str = "avg", **given) -> DrawDigit:
    weights = weights_of(network(activation, pool))
    return DrawDigit(weights, EXAMPLES, key="digit", activation=activation, pool=pool, **given)


def enlarged(counts: np.ndarray) -> torch.Tensor:
    x = torch.as_tensor(counts, dtype=torch.float64).reshape(-1, 1, 8, 8)
    return interpolate(x / 16, size=(32, 32), mode="bilinear", align_corners=False)


def layer_values(model: LeNet5, x: torch.Tensor) -> list[torch.Tensor]:
    """Input, C1, S2, C3, S4, C5, F6, output of one image, and before them nothing else."""
    kept, wanted = [x], (nn.AvgPool2d, nn.MaxPool2d, nn.Tanh, nn.ReLU)
    for module in (m for m in model.modules() if not list(m.children())):
        x = module(x)
        if isinstance(module, wanted):
            kept.append(x)
    return [value[0].detach() for value in (*kept, x)]


# --- the engine

RUN = """(m, text) => {
  const { params, input, activation, pool, places } = JSON.parse(text);
  const net = m.createLenet(Float64Array.from(params), { activation, pool });
  m.forward(net, Float64Array.from(input));
  const plain = ({ parts, ...rest }) => ({ ...rest, parts: parts.map(({ map, window, weights, sum }) =>
    ({ map, window: [...window], weights: weights && [...weights], sum })) });
  return JSON.stringify({ values: net.values.map((v) => [...v]), probabilities: [...net.probabilities],
    origins: places.map((at) => plain(m.originOf(net, at))) });
}"""  # as text, because Playwright is slow at long lists


def run_engine(run_js, model, x, activation, pool, places=()):
    params = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    given = {"params": params, "input": x.flatten().tolist(), "activation": activation, "pool": pool}
    return json.loads(run_js(bundle("lenet_engine"), RUN, json.dumps({**given, "places": list(places)})))


@pytest.mark.browser
@pytest.mark.parametrize(("activation", "pool"), KINDS)
def test_every_layer_equals_torchs(run_js, activation, pool):
    model, x = network(activation, pool), enlarged(COUNTS[7])
    got, expected = run_engine(run_js, model, x, activation, pool), layer_values(model, x)
    assert len(got["values"]) == len(expected) == 8
    for ours, theirs in zip(got["values"], expected, strict=True):
        np.testing.assert_allclose(ours, theirs.flatten(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got["probabilities"], model(x).softmax(1)[0].detach(), rtol=1e-9)


@pytest.mark.browser
def test_engine_follows_torchs_float32_and_options_matter(run_js):
    outputs = set()
    for activation, pool in KINDS:
        model = LeNet5(activation=MODULES[activation], pool=MODULES[pool])
        model.load_state_dict(network().state_dict())
        x = enlarged(COUNTS[3])
        got = run_engine(run_js, model, x, activation, pool)["values"][-1]
        np.testing.assert_allclose(got, model(x.float())[0].detach(), atol=1e-4)
        outputs.add(tuple(got))
    assert len(outputs) == len(KINDS)


@pytest.mark.browser
def test_extreme_logits_give_probabilities(run_js):
    model = network()
    with torch.no_grad():
        list(model.parameters())[-1].copy_(torch.tensor([900.0, -900, 900] + [0.0] * 7))
    p = run_engine(run_js, model, enlarged(COUNTS[0]), "tanh", "avg")["probabilities"]
    assert sum(p) == pytest.approx(1)
    assert p[0] + p[2] == pytest.approx(1)
    with pytest.raises(Exception, match="LeNet-5 has 61706 parameters, got 3"):
        run_js(bundle("lenet_engine"), "(m) => m.createLenet(new Float64Array(3), {})")


@pytest.mark.browser
@pytest.mark.parametrize(("activation", "pool"), KINDS[:2])
def test_where_a_value_comes_from_adds_up_to_it(run_js, activation, pool):
    model, x = network(activation, pool), enlarged(COUNTS[8])
    sides = [32, 28, 14, 10, 5, 1, 1, 1]
    maps = [1, 6, 6, 16, 16, 120, 84, 10]
    rng = np.random.default_rng(0)
    places = [
        {"layer": layer, "unit": int(rng.integers(maps[layer])), "row": int(row), "column": int(column)}
        for layer in range(1, 8)
        for row, column in rng.integers(sides[layer], size=(3, 2))
    ]
    got, values = run_engine(run_js, model, x, activation, pool, places), layer_values(model, x)
    modules = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    linear = dict(zip((1, 3, 5, 6, 7), modules, strict=True))
    for at, origin in zip(places, got["origins"], strict=True):
        layer, unit, row, column = at.values()
        value = values[layer].reshape(maps[layer], sides[layer], sides[layer])[unit, row, column].item()
        assert origin["value"] == pytest.approx(value, abs=1e-12)
        below = values[layer - 1].reshape(maps[layer - 1], sides[layer - 1], sides[layer - 1]).numpy()
        size, top, left = (origin[name] for name in ("size", "top", "left"))
        if layer in (2, 4):
            (part,) = origin["parts"]
            window = below[unit, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_allclose(part["window"], window.flatten(), atol=1e-12)
            assert value == pytest.approx(window.max() if pool == "max" else window.mean())
            continue
        weight = linear[layer].weight[unit].detach().numpy().flatten()
        windows = below if origin["flat"] else below[:, top : top + size, left : left + size]
        read, weighted = (np.concatenate([part[name] for part in origin["parts"]]) for name in ("window", "weights"))
        np.testing.assert_allclose(read, windows.flatten(), atol=1e-12)
        np.testing.assert_array_equal(weighted, weight)
        z = sum(part["sum"] for part in origin["parts"]) + origin["bias"]
        assert origin["z"] == pytest.approx(z, abs=1e-12)
        assert origin["bias"] == linear[layer].bias[unit].item()
        squashed = z if layer == 7 else math.tanh(z) if activation == "tanh" else max(z, 0)
        assert value == pytest.approx(squashed, abs=1e-12)


@pytest.mark.browser
def test_what_a_value_sees_of_the_input_is_where_its_gradient_is(run_js):
    model = network()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.01 * p.abs() + 1e-3)  # nothing cancels
    names = [name for name in LAYERS if name not in {"counts", "input"}]
    for layer, name in enumerate(names, start=1):
        side = LAYERS[name][1]
        row, column = side // 2, side - 1
        x = enlarged(COUNTS[0]).requires_grad_()
        value, depth = x, 0
        for module in (m for m in model.modules() if not list(m.children())):
            value = module(value)
            depth += isinstance(module, nn.AvgPool2d | nn.Tanh)
            if depth == layer:
                break
        unit = value[0, 0, row, column] if value.ndim == 4 else value[0, 0]
        (gradient,) = torch.autograd.grad(unit, x)
        rows, columns = torch.nonzero(gradient[0, 0], as_tuple=True)
        got = run_js(bundle("lenet_engine"), "(m, at) => m.fieldOf(at)", {"layer": layer, "row": row, "column": column})
        assert (got["top"], got["left"]) == (rows.min().item(), columns.min().item()), name
        assert got["side"] == (rows.max() - rows.min() + 1).item() == (columns.max() - columns.min() + 1).item(), name


@pytest.mark.browser
def test_half_precision_is_read_as_numpy_reads_it(run_js):
    bits = np.arange(65536, dtype="<u2")
    expected = bits.view("<f2").astype(np.float64)
    finite = np.isfinite(expected)
    read = "(m) => Array.from({ length: 65536 }, (_, i) => String(m.halfToNumber(i)).replace('Infinity', 'inf')).join()"
    got = np.array([float(text) for text in run_js(bundle("lenet_engine"), read).split(",")])
    np.testing.assert_array_equal(got[finite], expected[finite])
    assert not np.isfinite(got[~finite]).any()


# --- the reduction, once more in NumPy


def distances(lines):
    row, column = np.mgrid[:32, :32] + 0.5
    best = np.full((32, 32), np.inf)
    for line in lines:
        for a, b in itertools.pairwise(line) if len(line) > 1 else [(line[0], line[0])]:
            dx, dy = b - a
            n = dx * dx + dy * dy
            t = np.clip(((column - a[0]) * dx + (row - a[1]) * dy) / n, 0, 1) if n > 0 else 0.0
            u, v = column - a[0] - t * dx, row - a[1] - t * dy
            best = np.minimum(best, np.sqrt(u * u + v * v))
    return best


def bitmap(lines):
    lines = [np.asarray(line, float) for line in lines]
    low, high = np.concatenate(lines).min(0), np.concatenate(lines).max(0)
    sx, sy = np.array([15, 27]) / np.maximum(high - low, 0.001)
    scale = np.array([min(sx, 1.7 * sy), min(sy, 1.7 * sx)])
    fitted = [(line - (low + high) / 2) * scale + 16 for line in lines]
    ink = distances(fitted) <= 2.5
    top, bottom = np.flatnonzero(ink.any(1))[[0, -1]]
    begin, end = ink[top : top + 3].any(0).argmax(), ink[bottom - 2 : bottom + 1].any(0).argmax()
    lean = (begin - end) / (bottom - top - 2)
    sheared = [np.stack([x + lean * (y - 16), y], 1) for x, y in (line.T for line in fitted)]
    left, right = (f(np.concatenate(sheared)[:, 0]) for f in (np.min, np.max))
    squeeze = min(1, 27 / max(right - left, 0.001))
    upright = [np.stack([16 + squeeze * (x - (left + right) / 2), y], 1) for x, y in (line.T for line in sheared)]
    far = distances(upright)
    return far <= np.clip(np.sort(far, axis=None)[309], 2, 4.5)


REDUCE = """(m, text) => JSON.stringify(JSON.parse(text).map((lines) => {
  const bits = m.toBitmap(lines), counts = m.toCounts(bits);
  return { bits: [...bits], counts: [...counts], input: [...m.enlarge(counts)] }; }))"""


def reduce(run_js, drawings):
    text = json.dumps([[np.asarray(line).tolist() for line in d] for d in drawings])
    return json.loads(run_js(bundle("digit_input"), REDUCE, text))


def test_scripted_drawings_are_ten_digits_in_three_hands():
    assert [(d["hand"], d["digit"]) for d in STROKES] == [
        (hand, digit) for hand in ("continental", "american", "hurried") for digit in range(10)
    ]
    assert all(len(line) >= 2 for d in STROKES for line in d["strokes"])


@pytest.mark.browser
def test_a_drawing_becomes_bitmap_counts_and_input(run_js):
    drawings = [d["strokes"] for d in STROKES]
    for lines, got in zip(drawings, reduce(run_js, drawings), strict=True):
        bits = bitmap(lines)
        np.testing.assert_array_equal(np.reshape(got["bits"], (32, 32)), bits)
        np.testing.assert_array_equal(np.reshape(got["counts"], (8, 8)), bits.reshape(8, 4, 8, 4).sum((1, 3)))
        np.testing.assert_allclose(got["input"], enlarged(np.array(got["counts"])).flatten(), rtol=0, atol=1e-12)


@pytest.mark.browser
def test_reduced_drawings_are_like_the_data(run_js):
    """Ink in the first and the last row, about as much of it, and a neighbour as near as a held-out digit has."""
    counts = np.array([got["counts"] for got in reduce(run_js, [d["strokes"] for d in STROKES])])
    truth = np.array([d["digit"] for d in STROKES])
    train, held = DIGITS.data[:1201], DIGITS.data[1201:]
    assert (DIGITS.images[:, [0, 7]].sum(2) > 0).all()
    assert (counts.reshape(-1, 8, 8)[:, [0, 7]].sum(2) > 0).all()
    assert counts.sum(1).mean() == pytest.approx(DIGITS.data.sum(1).mean(), rel=0.03)
    nearest = KNeighborsClassifier(1).fit(train, LABELS[:1201])
    assert np.median(nearest.kneighbors(counts)[0]) < 1.1 * np.median(nearest.kneighbors(held)[0])
    assert (nearest.predict(counts) == truth).sum() >= 27


@pytest.mark.browser
def test_size_and_place_of_a_drawing_do_not_matter(run_js):
    lines = [np.array(line) for line in STROKES[12]["strokes"]]
    small = [0.25 * line + np.array([0.7, 0.05]) for line in lines]
    first, second = reduce(run_js, [lines, small])
    assert np.not_equal(first["bits"], second["bits"]).sum() <= 2  # rounding, at the edge of the ink


@pytest.mark.browser
def test_odd_drawings_are_reduced_without_harm(run_js):
    corner_to_corner = [[(0, 1), (1, 0)]]
    drawings = [[], [[(0.5, 0.5)]], [[(0.1, 0.5), (0.9, 0.5)]], [[(0.5, 0.1), (0.5, 0.9)]], corner_to_corner]
    none, dot, dash, stem, slash = (np.reshape(g["bits"], (32, 32)) for g in reduce(run_js, drawings))
    assert none.sum() == 0
    np.testing.assert_array_equal(dot, distances([np.array([[16.0, 16.0]])]) <= 4.5)
    np.testing.assert_array_equal(dash, dash[::-1])
    for line in (stem, slash):  # a thick upright stroke, as the ones of the data are
        assert line.sum() == pytest.approx(290, abs=25)
        assert line[:, 16].all()
        assert not line[:, [0, 31]].any()


# --- drawings as text


@pytest.mark.browser
def test_a_drawing_survives_its_way_through_a_link(run_js):
    drawings = [d["strokes"] for d in STROKES]
    both = """(m, text) => JSON.stringify(JSON.parse(text).map((d) => {
      const text = m.encodeDrawing(d); return [text, m.decodeDrawing(text)]; }))"""
    results = json.loads(run_js(bundle("digit_input"), both, json.dumps(drawings)))
    for lines, (text, back) in zip(drawings, results, strict=True):
        assert text == encode_drawing(lines)
        assert re.fullmatch(r"[\w.-]+", text)
        assert [len(line) for line in back] == [len(line) for line in lines]
        for given, got in zip(lines, back, strict=True):
            np.testing.assert_allclose(got, given, atol=0.5 / 511 + 1e-12)


NONSENSE = ["", "no-such-thing", "AA", "AAA..AAA", ".AAA", "AAA.", "AA!", "é" * 3, "AAA" * 601, ".".join(["AAA"] * 41)]


@pytest.mark.browser
def test_text_that_is_no_drawing_is_an_empty_paper(run_js):
    decode = "(m, texts) => [...texts, null, 7, ['AAA']].map((text) => m.decodeDrawing(text))"
    assert run_js(bundle("digit_input"), decode, NONSENSE) == [[]] * (len(NONSENSE) + 3)
    full = ["AAA" * 600, ".".join(["AAA"] * 40)]
    counts = run_js(bundle("digit_input"), "(m, t) => t.map((text) => m.decodeDrawing(text).flat().length)", full)
    assert counts == [600, 40]


@pytest.mark.browser
def test_a_line_keeps_its_shape_with_fewer_points(run_js):
    angles = np.linspace(0, 6, 400)
    line = np.stack([0.5 + 0.3 * np.cos(angles), 0.5 + 0.4 * np.sin(angles)], 1)
    few = np.array(run_js(bundle("digit_input"), "(m, line) => m.simplify(line)", line.tolist()))
    assert len(few) < 60
    np.testing.assert_array_equal(few[[0, -1]], line[[0, -1]])
    far = [min(distance(p, a, b) for a, b in itertools.pairwise(few)) for p in line]
    assert 0 < max(far) <= 0.002


def distance(p, a, b):
    t = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.linalg.norm(p - a - t * (b - a))


@pytest.mark.browser
def test_presets_and_layers_mean_the_same_on_both_sides(run_js):
    shown = run_js(bundle("draw_digit_canvas"), "(m) => m.SHOWN.map(({ name, maps, side }) => [name, [maps, side]])")
    assert [(name, tuple(sizes)) for name, sizes in shown] == list(LAYERS.items())
    for preset in PRESETS:
        state = preset["state"]
        lines = run_js(bundle("digit_input"), "(m, text) => m.decodeDrawing(text)", state["drawing"])
        assert encode_drawing(lines) == state["drawing"] != ""
        assert preset["note"].endswith(".")
        assert widget(**{k: v for k, v in state.items() if k != "example"}).example == -1


@pytest.mark.browser
def test_nonsense_from_a_link_becomes_a_state(run_js):
    read = "(m, given) => m.readDigit((name) => given[name])"
    bad = {"drawing": "no-such-thing", "example": 1e99, "layer": "C9", "unit": -1e99, "row": "x", "column": 3.6}
    clean = {"drawing": "", "example": 1, "layer": "output", "unit": 0, "row": 0, "column": 0}
    assert run_js(bundle("draw_digit"), read, {**bad, "labels": [4, 5]}) == clean
    good = {"drawing": "", "example": -1, "layer": "C3", "unit": 15, "row": 9, "column": 0}
    assert run_js(bundle("draw_digit"), read, {**good, "labels": [4]}) == good
    drawn = run_js(bundle("draw_digit"), read, {**good, "drawing": "AAA", "example": 0, "labels": [4]})
    assert drawn == {**good, "drawing": "AAA"}


# --- the figure


@pytest.fixture
def figure(open_widget):
    def draw(activation="tanh", pool="avg", width=740, **state):
        return open_widget(widget(activation, pool), width=width, **state)

    return draw


def settle(page):
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def draw_by_mouse(page, lines):
    page.locator(".bk-draw-digit-paper").scroll_into_view_if_needed()
    box = page.locator(".bk-draw-digit-paper").bounding_box()
    for line in lines:
        spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in [*line[:-1:4], line[-1]]]
        page.mouse.move(*spots[0])
        page.mouse.down()
        for spot in spots[1:]:
            page.mouse.move(*spot)
        page.mouse.up()
    settle(page)


def shares(page):
    return page.locator(".bk-draw-digit-share").all_inner_texts()


def read(page):
    return page.locator(".bk-draw-digit-read").inner_text()


def news(page):
    return page.locator(".bk-draw-digit > .bk-status").inner_text()


def pixels(page, name):
    return page.locator(f".bk-draw-digit-{name}").evaluate("(canvas) => canvas.toDataURL()")


def place(page):
    return [trait(page, name) for name in ("layer", "unit", "row", "column")]


def controls(page):
    return page.locator(".bk-draw-digit-picker :is(input, select)").evaluate_all("(all) => all.map((c) => c.value)")


def expected_shares(counts, activation="tanh", pool="avg"):
    p = network(activation, pool)(enlarged(counts)).softmax(1)[0].tolist()
    return [math.floor(1000 * v + 0.5) / 10 if v < 0.0995 else math.floor(100 * v + 0.5) for v in p]


def numbers(page):
    return [float(text.removesuffix(" %")) for text in shares(page)]


@pytest.mark.browser
@pytest.mark.parametrize(("activation", "pool"), KINDS[:2])
def test_an_example_is_read_as_torch_reads_it(figure, activation, pool):
    page = figure(activation, pool)
    for i, (counts, label) in reversed(list(enumerate(EXAMPLES))):
        page.get_by_label("On the paper").select_option(str(i))
        settle(page)
        expected = expected_shares(counts, activation, pool)
        assert numbers(page) == pytest.approx(expected, abs=0.11)
        assert read(page) == str(int(np.argmax(expected)))
        right = "✓" if read(page) == str(label) else "✗"
        assert f"{right} the label says {label}" in page.locator(".bk-draw-digit-words").inner_text()
        assert news(page).startswith(f"Read as {read(page)} (")


@pytest.mark.browser
def test_a_drawing_is_read_while_it_is_drawn_and_comes_back_by_link(figure):
    page = figure()
    lines = STROKES[4]["strokes"]
    draw_by_mouse(page, lines[:1])
    first = shares(page)
    assert trait(page, "example") == -1
    draw_by_mouse(page, lines[1:])
    drawing, second = trait(page, "drawing"), shares(page)
    assert drawing.count(".") == 1
    assert second != first
    assert len(drawing) < 200
    shown = [pixels(page, "layers"), page.locator(".bk-draw-digit-ink").get_attribute("d")]
    assert numbers(page) == pytest.approx(expected_shares(bitmap_counts(page, drawing)), abs=0.11)
    again = figure(drawing=drawing)
    assert shares(again) == second
    assert [pixels(again, "layers"), again.locator(".bk-draw-digit-ink").get_attribute("d")] == shown
    assert again.get_by_label("On the paper").input_value() == "-1"


def bitmap_counts(page, drawing):
    decode = """async ([source, text]) => {
      const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      return m.decodeDrawing(text); }"""
    lines = page.evaluate(decode, [bundle("digit_input"), drawing])
    return bitmap(lines).reshape(8, 4, 8, 4).sum((1, 3))


@pytest.mark.browser
def test_the_reading_follows_the_pen_before_it_is_lifted(figure):
    page = figure()
    box = page.locator(".bk-draw-digit-paper").bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.down()
    settle(page)
    before = shares(page)
    page.mouse.move(box["x"] + 90, box["y"] + 200, steps=5)
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    settle(page)
    assert shares(page) != before
    assert trait(page, "drawing") == ""
    page.mouse.up()
    assert trait(page, "drawing") == encode_drawing(
        [[((x - 0) / box["width"], y / box["height"]) for x, y in ((90, 60), (90, 200), (200, 200))]]
    )


@pytest.mark.browser
def test_undo_takes_lines_away_and_clear_all(figure):
    page = figure()
    undo, clear = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Clear"))
    assert undo.is_hidden()
    draw_by_mouse(page, STROKES[7]["strokes"])
    both = trait(page, "drawing")
    undo.click()
    assert trait(page, "drawing") == both.split(".")[0]
    clear.click()
    settle(page)
    assert (trait(page, "drawing"), trait(page, "example"), read(page)) == ("", -1, "?")
    assert clear.is_disabled()
    assert news(page) == "The paper is empty."
    assert numbers(page) == pytest.approx(expected_shares(np.zeros((8, 8))), abs=0.11)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert (trait(page, "example"), clear.is_disabled(), undo.is_hidden()) == (0, False, True)


@pytest.mark.browser
def test_a_digit_can_be_drawn_with_the_keyboard(figure):
    page = figure(drawing="", example=-1)
    page.locator(".bk-draw-digit-paper").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    assert news(page) == "Pen down."
    for key in ("PageDown", "ArrowDown", "ArrowDown", "ArrowRight", "End", "PageUp"):
        page.keyboard.press(key)
    page.keyboard.press("Space")
    settle(page)
    steps = np.array([(-1, -1), (1, 1), (0, 1), (0, 1), (1, 0), (-1, 1), (1, -1)])
    corners = np.delete(0.5 + np.cumsum(steps, 0) / 32, 2, 0)  # the middle of a straight stretch is no corner
    assert trait(page, "drawing") == encode_drawing([corners])
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.locator(".bk-draw-digit-layers").focus()  # leaving the paper lifts the pen
    assert trait(page, "drawing").count(".") == 1
    page.locator(".bk-draw-digit-paper").focus()
    for key in ("Space", "ArrowUp", "Backspace"):  # drops the line that is being drawn
        page.keyboard.press(key)
    assert trait(page, "drawing").count(".") == 1
    page.keyboard.press("Backspace")
    assert trait(page, "drawing").count(".") == 0
    page.keyboard.press("Delete")
    assert trait(page, "drawing") == ""
    page.keyboard.press("Control+ArrowLeft")
    page.keyboard.press("q")
    assert trait(page, "drawing") == ""


@pytest.mark.browser
def test_a_full_paper_says_so(figure):
    page = figure(drawing=".".join(["AAA"] * 40))
    before = trait(page, "drawing")
    draw_by_mouse(page, [[(0.2, 0.2), (0.8, 0.8)]])
    assert trait(page, "drawing") == before
    assert news(page).startswith("The paper is full")


@pytest.mark.browser
def test_pointing_shows_where_a_value_comes_from_and_a_click_keeps_it(figure):
    page = figure()
    stage = page.locator(".bk-draw-digit-layers")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    where = page.locator(".bk-draw-digit-title strong")
    kept, start = where.inner_text(), place(page)
    assert kept == "C3, map 4, row 5, column 5"
    seen = {kept: pixels(page, "origin")}
    spots = [(0.96, 60), *((0.5, y) for y in range(10, int(box["height"]), 18))]
    for x, y in spots:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y)
        settle(page)
        seen[where.inner_text()] = pixels(page, "origin")
    assert {name.split(",")[0] for name in seen} == set(LAYERS)
    assert len(set(seen.values())) > len(LAYERS)
    assert place(page) == start
    page.mouse.move(box["x"] + 5, box["y"] + 0.5 * box["height"])
    settle(page)
    assert where.inner_text() == kept
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 150)
    settle(page)
    layer, unit, row, column = place(page)
    assert layer == "C1"
    assert where.inner_text() == f"C1, map {unit + 1}, row {row + 1}, column {column + 1}"
    assert controls(page) == ["C1", str(unit), str(row), str(column)]
    assert "a window of 5 × 5 in input" in page.locator(".bk-draw-digit-from").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("width", [330, 740])
def test_every_value_is_found_where_it_is_painted(run_js, width):
    check = """(m, width) => {
      const layout = m.arrange(width), missed = [], all = (n) => [...Array(n).keys()];
      m.SHOWN.forEach(({ maps, side }, layer) => all(maps).forEach((unit) => {
        const box = layout.boxes[layer], cell = box.tile / side;
        for (const row of [0, side - 1]) for (const column of [0, side - 1]) {
          const x = box.x + (unit % box.across) * box.pitch + (column + 0.5) * cell;
          const y = box.y + Math.floor(unit / box.across) * (box.step ?? 0) + (row + 0.5) * cell;
          const at = { layer, unit, row, column }, inside = x + cell / 2 <= width && y + cell / 2 <= layout.height;
          if (!inside || JSON.stringify(m.valueAt(layout, x, y)) !== JSON.stringify(at)) missed.push(at);
        }
      }));
      return missed; }"""
    assert run_js(bundle("draw_digit_canvas"), check, width) == []


@pytest.mark.browser
def test_keys_move_through_a_layer_and_stop_at_its_edges(figure):
    page = figure()
    page.locator(".bk-draw-digit-layers").focus()
    moves = {
        "ArrowRight": ["C3", 3, 4, 5],
        "ArrowDown": ["C3", 3, 5, 5],
        "ArrowLeft": ["C3", 3, 5, 4],
        "PageDown": ["C3", 4, 5, 4],
    }
    for key, expected in moves.items():
        page.keyboard.press(key)
        assert place(page) == expected
    assert news(page).startswith("C3, map 5, row 6, column 5 is ")
    for _ in range(6):
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowDown")
    assert place(page) == ["C3", 0, 9, 4]
    page.keyboard.press("Home")
    assert place(page) == ["C3", 0, 9, 4]
    page.get_by_label("Layer", exact=True).select_option("F6")
    settle(page)
    page.locator(".bk-draw-digit-layers").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert place(page) == ["F6", 42, 0, 0]


@pytest.mark.browser
def test_controls_and_python_move_the_same_place(figure):
    page = figure()
    before = pixels(page, "layers")
    page.get_by_label("map", exact=True).press("ArrowRight")
    page.get_by_label("row", exact=True).press("ArrowLeft")
    page.get_by_label("column", exact=True).press("ArrowRight")
    assert place(page) == ["C3", 4, 3, 5]
    assert pixels(page, "layers") != before
    page.get_by_label("Layer", exact=True).select_option("output")
    settle(page)
    assert place(page) == ["output", 4, 0, 0]
    assert page.get_by_label("row", exact=True).is_disabled()
    assert "softmax makes it" in page.locator(".bk-draw-digit-formula").inner_text()
    page.get_by_label("Layer", exact=True).select_option("S2")
    settle(page)
    assert place(page) == ["S2", 4, 4, 4]
    set_trait(page, "layer", "C1")
    set_trait(page, "unit", 99)
    settle(page)
    assert place(page) == ["C1", 5, 4, 4]
    assert controls(page) == ["C1", "5", "4", "4"]
    set_trait(page, "drawing", encode_drawing(STROKES[3]["strokes"]))
    settle(page)
    drawn = shares(page)
    assert trait(page, "example") == -1
    set_trait(page, "example", 2)
    settle(page)
    assert trait(page, "drawing") == ""
    assert shares(page) != drawn
    assert numbers(page) == pytest.approx(expected_shares(COUNTS[2]), abs=0.11)


@pytest.mark.browser
def test_formulas_say_what_is_computed(figure):
    page = figure("relu", "max", layer="C1", unit=2, row=9, column=12)
    formula = page.locator(".bk-draw-digit-formula")
    model = network("relu", "max")
    conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    z, bias = conv(enlarged(COUNTS[0]))[0, 2, 9, 12].item(), conv.bias[2].item()
    found = [
        float(v.replace("−", "-").replace("- ", "-").replace("+ ", ""))
        for v in re.findall(r"[−+]? ?\d+\.?\d*", formula.inner_text().replace("max(0, z)", "ReLU"))
    ]
    assert found == pytest.approx([z - bias, bias, z, max(z, 0)], abs=0.0051)
    for layer, text in {"counts": "of the 16 pixels", "input": "four nearest counts", "S2": "The largest"}.items():
        set_trait(page, "layer", layer)
        settle(page)
        assert text in formula.inner_text()


@pytest.mark.browser
def test_presets_draw_and_comment_and_reset_returns(figure):
    page = figure()
    start = [shares(page), place(page)]
    for preset in PRESETS:
        page.get_by_label("Try").select_option(preset["name"])
        settle(page)
        assert {name: trait(page, name) for name in preset["state"]} == preset["state"]
        assert page.locator(".bk-toolbar .bk-status").inner_text() == preset["note"]
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert [shares(page), place(page)] == start


@pytest.mark.browser
def test_canvases_follow_the_theme_and_nothing_listens_after_the_end(figure):
    page = figure()
    before = [pixels(page, "layers"), pixels(page, "origin")]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    assert all(now != then for now, then in zip([pixels(page, "layers"), pixels(page, "origin")], before, strict=True))
    assert page.evaluate("window.model.count()") > 0
    page.evaluate("window.stop()")
    assert page.evaluate("window.model.count()") == 0


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(740, False), (330, True)])
def test_the_figure_is_accessible_and_fits(figure, width, dark):
    page = figure(width=width, dark=dark, drawing=encode_drawing(STROKES[5]["strokes"]))
    assert accessibility_problems(page) == []
    assert page.evaluate("document.querySelector('.bk-figure').scrollWidth") <= width
    canvas = page.locator(".bk-draw-digit-layers").bounding_box()
    assert canvas["width"] >= width - 40


# --- the Python side

PLAIN = [(f"w{i}", np.zeros(shape)) for i, shape in enumerate(SHAPES)]
GOOD = [(np.zeros((8, 8)), 0)]


def test_traits_hold_what_was_given():
    made = widget(layer="F6", unit=83, row=0, column=0)
    assert [getattr(made, name) for name in made.linked] == ["", 0, "F6", 83, 0, 0]
    numbers = np.frombuffer(made.weights, "<f2")
    assert len(numbers) == 61706
    np.testing.assert_array_equal(numbers, np.concatenate([w.flatten() for _, w in weights_of(network())]))
    np.testing.assert_array_equal(np.frombuffer(made.examples, np.uint8).reshape(-1, 8, 8), COUNTS[:5])
    assert made.labels == LABELS[:5].tolist()
    assert widget(drawing="AAA").example == -1


def test_encode_drawing_refuses_what_is_no_drawing():
    assert encode_drawing([]) == ""
    for lines, message in (
        ([[]], "shape (points, 2), got (0,)"),
        ([[(0, 0, 0)]], "shape (points, 2), got (1, 3)"),
        ([[(0.5, 1.5)]], "a point must lie in the unit square, got [0.5, 1.5]"),
        ([[(math.nan, 0)]], "unit square, got [nan, 0.0]"),
        ([[(0, 0)] * 601], "at most 40 lines and 600 points, got 1 and 601"),
        ([[(0, 0)]] * 41, "got 41 and 41"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            encode_drawing(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "gelu"}, "activation must be one of tanh, relu, got 'gelu'"),
        ({"pool": "min"}, "pool must be one of avg, max, got 'min'"),
        ({"layer": "C4"}, "layer must be one of counts, input, C1"),
        ({"unit": 16}, "unit of C3 must be from 0 to 15, got 16"),
        ({"row": 10}, "row of C3 must be from 0 to 9, got 10"),
        ({"column": -1}, "column of C3 must be from 0 to 9, got -1"),
        ({"example": 5}, "example must be from -1 to 4, got 5"),
        ({"drawing": "no-such-thing"}, "drawing must be text as encode_drawing writes it, got 'no-such-thing'"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DrawDigit(PLAIN, GOOD * 5, key="digit", **change)


def test_a_setting_of_a_wrong_type_is_refused_and_the_old_one_stays():
    made = widget()
    with pytest.raises(traitlets.TraitError, match="unit"):
        made.unit = "three"
    with pytest.raises(ValueError, match="unit of C3 must be from 0 to 15, got 99"):
        made.unit = 99
    assert made.unit == 3


@pytest.mark.parametrize(
    ("weights", "examples", "kind", "message"),
    [
        (PLAIN[:-1], GOOD, ValueError, "weights must be 10 arrays, got 9"),
        ([np.zeros(3)] * 10, GOOD, TypeError, "weights must be pairs, got ndarray"),
        ([*PLAIN[:-1], ("b", np.zeros(9))], GOOD, ValueError, "weights 'b' must have shape (10,), got (9,)"),
        ([*PLAIN[:-1], ("b", np.full(10, 1e5))], GOOD, ValueError, "weights 'b' must lie within ±65504, got 100000.0"),
        ([*PLAIN[:-1], ("b", np.full(10, np.nan))], GOOD, ValueError, "got nan"),
        (PLAIN, [], ValueError, "examples must be 1 to 100 pairs, got 0"),
        (PLAIN, GOOD * 101, ValueError, "got 101"),
        (PLAIN, [np.zeros((8, 8))], TypeError, "examples must be pairs, got ndarray"),
        (PLAIN, [(np.zeros((4, 16)), 0)], ValueError, "an example must have shape (8, 8), got (4, 16)"),
        (PLAIN, [(np.full((8, 8), 17), 0)], ValueError, "whole numbers from 0 to 16, got 17 to 17"),
        (PLAIN, [(np.full((8, 8), 0.5), 0)], ValueError, "got 0.5 to 0.5"),
        (PLAIN, [(np.full((8, 8), np.nan), 0)], ValueError, "got nan to nan"),
        (PLAIN, [(np.zeros((8, 8)), 10)], ValueError, "an example's digit must be from 0 to 9, got 10"),
    ],
    ids=str,
)
def test_weights_and_examples_that_make_no_sense_are_refused(weights, examples, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        DrawDigit(weights, examples, key="digit")
