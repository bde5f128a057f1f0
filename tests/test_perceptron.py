import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize

from companion.models import perceptron as module
from companion.models.perceptron import (
    GATES,
    McCullochPittsNeuron,
    Perceptron,
    ThresholdUnit,
    gate,
    is_linearly_separable,
    novikoff_bound,
)
from tests.oracles import margin_on_a_line, perceptron_by_loops, separable_by_perceptron, truth_table

CORNERS = torch.tensor(truth_table(2))  # (4, 2)
AND, OR, XOR = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0])


@st.composite
def labelled_points(draw, *, largest: int = 4, max_points: int = 10):
    """Whole-number points in one to three dimensions with classes: separable or not, repeated points and all."""
    features, points = draw(st.integers(1, 3)), draw(st.integers(1, max_points))
    coordinate = st.integers(-largest, largest)
    X = draw(st.lists(st.tuples(*[coordinate] * features), min_size=points, max_size=points))
    return X, draw(st.lists(st.integers(0, 1), min_size=points, max_size=points))


@st.composite
def separable_points(draw):
    """Real-valued points whose classes some plane separates, with a gap that keeps the bound below ~1e5."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    features, points = draw(st.integers(1, 4)), draw(st.integers(2, 30))
    X = rng.normal(size=(points, features)) * draw(st.floats(0.1, 10)) + rng.normal(size=features)
    scores = X @ rng.normal(size=features) + rng.normal()
    keep = np.abs(scores) > 0.05 * np.abs(scores).max()
    return torch.tensor(X[keep]), torch.tensor(scores[keep] > 0).long()


# McCulloch and Pitts


@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 5))
def test_mcculloch_pitts_counts_and_obeys_every_veto(excitatory, inhibitory, threshold):
    neuron = McCullochPittsNeuron(threshold, excitatory, inhibitory)
    for e in truth_table(excitatory):
        for i in truth_table(inhibitory):
            fires = neuron(torch.tensor(e, dtype=torch.int64), torch.tensor(i, dtype=torch.int64))
            assert fires.item() == (1 if sum(e) >= threshold and 1 not in i else 0)


def test_inhibition_is_absolute_and_not_a_weight():
    absolute = McCullochPittsNeuron(threshold=1, excitatory=3, inhibitory=1)
    outvoted = ThresholdUnit([1, 1, 1, -1], threshold=1)
    assert absolute(torch.ones(3), torch.ones(1)).item() == 0
    assert outvoted(torch.ones(4)).item() == 1


def test_mcculloch_pitts_leading_dimensions_and_repr():
    neuron = McCullochPittsNeuron(threshold=2, excitatory=2)
    fires = neuron(CORNERS.view(2, 2, 2).bool())
    assert fires.dtype == torch.int64
    assert fires.tolist() == [[0, 0], [0, 1]]
    assert repr(neuron) == "McCullochPittsNeuron(threshold=2, excitatory=2, inhibitory=0)"


def test_two_layers_of_mcculloch_pitts_neurons_compute_xor():
    a, b = CORNERS[:, :1], CORNERS[:, 1:]
    only = McCullochPittsNeuron(threshold=1, excitatory=1, inhibitory=1)
    either = McCullochPittsNeuron(threshold=1, excitatory=2)
    assert torch.equal(either(torch.stack([only(a, b), only(b, a)], dim=-1)), XOR)


@pytest.mark.parametrize("sizes", [(-1, 1, 0), (1, -1, 0), (1, 1, -1), (1.5, 1, 0)])
def test_mcculloch_pitts_bad_sizes(sizes):
    with pytest.raises(ValueError, match=r"must be integers >= 0, got \("):
        McCullochPittsNeuron(*sizes)


@pytest.mark.parametrize(
    ("excitatory", "inhibitory", "message"),
    [
        (torch.ones(3), torch.ones(1), r"need 2 excitatory inputs .* \(3,\)"),
        (torch.ones(2), None, r"need 1 inhibitory inputs .* \(0,\)"),
        (torch.ones(2), torch.ones(2), r"need 1 inhibitory inputs .* \(2,\)"),
        (torch.tensor(1), torch.ones(1), r"need 2 excitatory inputs .* \(\)"),
        (torch.tensor([1.0, 0.5]), torch.ones(1), "excitatory inputs must be 0 or 1, got 0.5"),
        (torch.ones(2), torch.tensor([math.nan]), "inhibitory inputs must be 0 or 1, got nan"),
    ],
)
def test_mcculloch_pitts_bad_inputs(excitatory, inhibitory, message):
    with pytest.raises(ValueError, match=message):
        McCullochPittsNeuron(threshold=1, excitatory=2, inhibitory=1)(excitatory, inhibitory)


# Threshold unit


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("AND", lambda a, b: a and b),
        ("OR", lambda a, b: a or b),
        ("NAND", lambda a, b: not (a and b)),
        ("NOR", lambda a, b: not (a or b)),
    ],
)
def test_gates(name, function):
    assert gate(name)(CORNERS).tolist() == [int(function(a, b)) for a, b in truth_table(2)]


def test_not_gate_and_the_list_of_gates():
    assert gate("NOT")(torch.tensor([[0], [1]])).tolist() == [1, 0]
    assert list(GATES) == ["AND", "OR", "NOT", "NAND", "NOR"]


def test_xor_is_a_network_of_gates_but_not_a_gate():
    hidden = torch.stack([gate("OR")(CORNERS), gate("NAND")(CORNERS)], dim=-1)
    assert torch.equal(gate("AND")(hidden), XOR)
    with pytest.raises(ValueError, match="AND, OR, NOT, NAND, NOR; got 'XOR'"):
        gate("XOR")


def test_threshold_unit_fires_at_the_threshold():
    unit = ThresholdUnit([0.5, -2.0], threshold=0.5)
    assert unit(torch.tensor([[1.0, 0.0], [0.999, 0.0], [5.0, 1.0], [4.99, 1.0]])).tolist() == [1, 0, 1, 0]


def test_threshold_unit_copies_keeps_the_dtype_and_has_state():
    weights = torch.tensor([1.0, 2.0], dtype=torch.float64)
    unit = ThresholdUnit(weights, threshold=1)
    weights.zero_()
    assert unit.weights.dtype == unit.threshold.dtype == torch.float64
    assert unit.state_dict()["weights"].tolist() == [1.0, 2.0]
    assert repr(unit) == "ThresholdUnit(weights=[1.0, 2.0], threshold=1)"


@pytest.mark.parametrize("weights", [[], [[1.0]], [math.nan], 1.0])
def test_threshold_unit_bad_weights(weights):
    with pytest.raises(ValueError, match="weights must be a non-empty list of finite numbers, got"):
        ThresholdUnit(weights, threshold=1)


def test_threshold_unit_bad_threshold_and_inputs():
    with pytest.raises(ValueError, match="threshold must be finite, got inf"):
        ThresholdUnit([1.0], threshold=math.inf)
    with pytest.raises(ValueError, match=r"shape \(..., 2\), got \(3,\)"):
        gate("AND")(torch.ones(3))
    with pytest.raises(ValueError, match=r"shape \(..., 2\), got \(\)"):
        gate("AND")(torch.tensor(1.0))


# Perceptron


@given(labelled_points())
@settings(deadline=None)
def test_fit_equals_the_rule_in_whole_numbers(data):
    X, y = data
    mistakes, weights = perceptron_by_loops(X, y, max_epochs=12)
    perceptron = Perceptron(len(X[0])).double()
    history = perceptron.fit(torch.tensor(X), torch.tensor(y), max_epochs=12)
    assert history.mistakes_per_epoch == mistakes
    assert history.weights.tolist() == weights
    assert history.converged == (mistakes[-1] == 0)
    assert [*perceptron.weight.tolist(), perceptron.bias.item()] == weights[-1]
    if history.converged:
        assert perceptron(torch.tensor(X)).tolist() == y


@given(separable_points())
@settings(deadline=None, max_examples=60)
def test_mistakes_never_exceed_novikoffs_bound(data):
    X, y = data
    bound = novikoff_bound(X, y)
    assume(bound.mistakes < 20_000)
    history = Perceptron(X.shape[1]).double().fit(X, y, max_epochs=20_001)
    assert history.converged
    assert sum(history.mistakes_per_epoch) <= bound.mistakes * (1 + 1e-9)


def test_the_bound_is_reached():
    X, y = torch.tensor([[0.0]]), torch.tensor([0])  # one example, R = gamma: one mistake
    assert novikoff_bound(X, y).mistakes == pytest.approx(1)
    assert Perceptron(1).fit(X, y).mistakes_per_epoch == [1, 0]


@pytest.mark.parametrize("max_epochs", [1, 7, 300])
def test_xor_never_converges(max_epochs):
    history = Perceptron(2).fit(CORNERS, XOR, max_epochs=max_epochs)
    assert not history.converged
    assert len(history.mistakes_per_epoch) == max_epochs
    assert min(history.mistakes_per_epoch) > 0
    assert history.weights.abs().max() <= 3  # it goes round in circles, it does not run away


def test_learning_rate_scales_the_weights_and_changes_no_mistake():
    X = torch.randn(30, 2, dtype=torch.float64)
    y = (X @ torch.tensor([1.0, -2.0], dtype=torch.float64) > 0.3).long()
    one, quarter = (Perceptron(2).double().fit(X, y, lr=lr) for lr in (1.0, 0.25))
    assert one.mistakes_per_epoch == quarter.mistakes_per_epoch
    torch.testing.assert_close(quarter.weights, 0.25 * one.weights)


def test_step_learns_only_from_mistakes():
    perceptron = Perceptron(2)
    assert perceptron.step(torch.tensor([3.0, -1.0]), 1) is False  # score 0 counts as class 1
    assert perceptron.weight.tolist() == [0.0, 0.0]
    assert perceptron.step(torch.tensor([3.0, -1.0]), torch.tensor(0), lr=0.5) is True
    assert perceptron.weight.tolist() == [-1.5, 0.5]
    assert perceptron.bias.item() == -0.5
    assert perceptron.decision_function(torch.tensor([[1.0, 1.0]])).tolist() == [-1.5]


def test_fit_goes_on_from_the_present_weights():
    perceptron = Perceptron(2)
    first = perceptron.fit(CORNERS, AND, max_epochs=2)
    second = perceptron.fit(CORNERS, AND)
    assert torch.equal(second.weights[0], first.weights[-1])
    whole = Perceptron(2).fit(CORNERS, AND)
    assert first.mistakes_per_epoch + second.mistakes_per_epoch == whole.mistakes_per_epoch


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.float32])
def test_classes_may_have_any_dtype(dtype):
    y = AND.to(dtype)
    assert torch.equal(Perceptron(2).fit(CORNERS, y).weights, Perceptron(2).fit(CORNERS, AND).weights)
    assert novikoff_bound(CORNERS, y) == novikoff_bound(CORNERS, AND)


def test_weights_are_state_and_not_parameters():
    perceptron = Perceptron(3)
    assert list(perceptron.state_dict()) == ["weight", "bias"]
    assert not list(perceptron.parameters())
    X = torch.randn(2, 4, 3, requires_grad=True)
    assert perceptron(X).shape == (2, 4)
    assert perceptron(X).dtype == torch.int64
    assert not perceptron.fit(X[0], torch.tensor([0, 1, 0, 1])).weights.requires_grad


BAD_DATA = [
    (torch.ones(0, 2), torch.ones(0), r"not empty, got \(0, 2\) and \(0,\)"),
    (torch.ones(2), torch.ones(2), r"need X \(N, in_features\) and y \(N,\), not empty, got \(2,\) and \(2,\)"),
    (torch.ones(3, 2), torch.ones(2), r"got \(3, 2\) and \(2,\)"),
    (torch.tensor([[1.0, math.nan]]), torch.ones(1), "X must be finite"),
    (torch.tensor([[math.inf, 1.0]]), torch.ones(1), "X must be finite"),
    (torch.ones(2, 2), torch.tensor([0, 2]), "classes must be 0 or 1, got 2"),
    (torch.ones(2, 2), torch.tensor([-1, 1]), "classes must be 0 or 1, got -1"),
    (torch.ones(1, 2), torch.tensor([math.nan]), "classes must be 0 or 1, got nan"),
]


@pytest.mark.parametrize(("X", "y", "message"), BAD_DATA)
@pytest.mark.parametrize("function", [Perceptron(2).fit, is_linearly_separable, novikoff_bound])
def test_bad_data(function, X, y, message):
    with pytest.raises(ValueError, match=message):
        function(X, y)


def test_bad_arguments():
    with pytest.raises(ValueError, match="in_features must be >= 1, got 0"):
        Perceptron(0)
    for lr in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"lr must be > 0 and finite, got {lr}"):
            Perceptron(2).fit(CORNERS, AND, lr=lr)
        with pytest.raises(ValueError, match=f"lr must be > 0 and finite, got {lr}"):
            Perceptron(2).step(CORNERS[0], 0, lr=lr)
    with pytest.raises(ValueError, match="max_epochs must be >= 1, got 0"):
        Perceptron(2).fit(CORNERS, AND, max_epochs=0)
    with pytest.raises(ValueError, match=r"shape \(..., 3\), got \(4, 2\)"):
        Perceptron(3).fit(CORNERS, AND)
    with pytest.raises(ValueError, match=r"shape \(..., 3\), got \(2,\)"):
        Perceptron(3).step(CORNERS[0], 0)
    with pytest.raises(ValueError, match="classes must be 0 or 1, got 2"):
        Perceptron(2).step(CORNERS[0], 2)


# Separability and the bound


@given(labelled_points(largest=3, max_points=8))
@settings(deadline=None)
def test_separability_equals_the_exact_answer(data):
    X, y = data
    assert is_linearly_separable(torch.tensor(X), torch.tensor(y)) == separable_by_perceptron(X, y)


def test_separability_of_the_sixteen_functions_of_two_inputs():
    functions = torch.tensor(truth_table(4))
    separable = [is_linearly_separable(CORNERS, y) for y in functions]
    assert functions[~torch.tensor(separable)].tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]  # XOR and its negation


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8])
def test_narrow_gaps(gap):
    X, y = torch.tensor([[-1.0], [0.0], [gap], [1.0]], dtype=torch.float64), torch.tensor([0, 0, 1, 1])
    assert is_linearly_separable(X, y)
    # The plane through the gap's middle m: w = (1, -m), margin (gap / 2) / |w|.
    assert novikoff_bound(X, y).margin == pytest.approx(gap / 2 / math.hypot(1, gap / 2), rel=1e-4)
    assert not is_linearly_separable(X, torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize("size", [1.0, 1e20])
@pytest.mark.parametrize(("gap", "tolerance"), [(1.0, 1e-9), (1e-2, 1e-8), (1e-4, 1e-6), (1e-6, 0.03)])
def test_margin_of_a_known_optimum(gap, tolerance, size):
    """Four nearest points z = y (x, 1) with the mean (gap/2) (normal, 0): the hull's nearest point, the best w."""
    rng = np.random.default_rng(2)
    normal, *plane = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    u = rng.normal(size=(2, 2)) @ plane
    y = np.array([1, -1, -1, 1] + [1, -1] * 20)
    beyond = np.append(np.ones(4), 1 + rng.exponential(size=40))  # the others are farther away from the plane
    sideways = np.vstack([u, -u, rng.normal(size=(40, 2)) @ plane])
    X = y[:, None] * (gap / 2 * beyond[:, None] * normal + sideways)
    margin = novikoff_bound(torch.tensor(size * X), torch.tensor(y > 0)).margin / size
    assert margin == pytest.approx(gap / 2, rel=tolerance)
    assert margin <= gap / 2 * (1 + 1e-9)


def test_features_next_to_nothing_do_not_overflow():
    X, y = torch.tensor([[1.0, 5e-324], [-1.0, -1e-310]], dtype=torch.float64), torch.tensor([1, 0])
    assert novikoff_bound(X, y).margin == pytest.approx(1)
    with np.errstate(over="raise"):
        assert novikoff_bound(X[:, 1:], torch.tensor([1, 1])).margin == pytest.approx(1)


def test_touching_classes_are_not_separable():
    X = torch.tensor([[0.0], [1.0], [1.0], [2.0]])
    assert not is_linearly_separable(X, torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="not linearly separable"):
        novikoff_bound(X, torch.tensor([0, 0, 1, 1]))


@pytest.mark.parametrize(("y", "mistakes"), [(AND, 51), (OR, 27)])
def test_bound_by_hand(y, mistakes):
    # AND: w = (2, 2, -3) has score 1 at the three nearest corners, so gamma = 1/sqrt(17), and R^2 = 3.
    # OR: w = (2, 2, -1), gamma = 1/3.
    bound = novikoff_bound(CORNERS, y)
    assert bound.radius == pytest.approx(math.sqrt(3))
    assert bound.mistakes == pytest.approx(mistakes)
    assert bound.mistakes == pytest.approx((bound.radius / bound.margin) ** 2)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.floats(-2, 2))
@settings(deadline=None, max_examples=15)
def test_margin_equals_a_search_over_directions(x, border):
    y = [int(value > border) for value in x]
    assume(min(abs(value - border) for value in x) > 0.05)
    margin = novikoff_bound(torch.tensor(x, dtype=torch.float64)[:, None], torch.tensor(y)).margin
    assert margin == pytest.approx(margin_on_a_line(x, y, directions=20_000), abs=2e-3)


@given(separable_points(), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=40)
def test_no_direction_has_a_larger_margin(data, spread):
    """Weak duality: every point of the hull is at least gamma from the origin; one of them is at gamma."""
    X, y = data
    margin = novikoff_bound(X, y).margin
    rows = (torch.column_stack([X, torch.ones(len(X))]) * (2 * y - 1)[:, None]).numpy()
    w = np.random.default_rng(0).normal(size=(50, rows.shape[1])) * spread
    reached = (rows @ w.T).min(axis=0) / np.linalg.norm(w, axis=1)
    assert reached.max() <= margin * (1 + 1e-9)
    result = optimize.minimize(
        lambda a: ((a @ rows) ** 2).sum(),
        np.full(len(rows), 1 / len(rows)),
        jac=lambda a: 2 * rows @ (a @ rows),
        bounds=[(0, 1)] * len(rows),
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    hull = np.linalg.norm(np.clip(result.x, 0, None) / np.clip(result.x, 0, None).sum() @ rows)
    assert margin <= hull * (1 + 1e-9)
    assert hull == pytest.approx(margin, rel=1e-2)


def test_an_answer_of_the_linear_program_is_checked(monkeypatch):
    wrong = optimize.OptimizeResult(status=0, x=np.array([1.0, 1.0, 0.0]))  # the bias is too large for AND
    monkeypatch.setattr(module, "linprog", lambda *_args, **_kwargs: wrong)
    assert not is_linearly_separable(CORNERS, AND)


def test_a_failed_linear_program_is_not_an_answer(monkeypatch):
    failed = optimize.OptimizeResult(status=4, message="numerical difficulties", x=None)
    monkeypatch.setattr(module, "linprog", lambda *_args, **_kwargs: failed)
    with pytest.raises(RuntimeError, match="linear program failed: numerical difficulties"):
        is_linearly_separable(CORNERS, AND)
