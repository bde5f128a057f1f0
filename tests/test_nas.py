"""Architecture search: the space counted and compared with networks, searches with known scores, DARTS by hand."""

import itertools
import math
import statistics
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from companion.analysis import multiply_accumulates
from companion.nas import (
    OPERATIONS,
    CellNetwork,
    CellSpace,
    CellTable,
    Supernet,
    derive,
    edge_costs,
    expected_cost,
    mnasnet_objective,
    pareto_front,
    random_search,
    regularized_evolution,
    reinforce_search,
    search_darts,
    short_training,
)
from companion.nas.darts import MixedCell, MixedOperation
from companion.nas.network import CellLayer

SPACE = CellSpace(4, ("none", "skip", "conv_3x3", "avg_pool_3x3"))
SMALL = CellSpace(3, ("none", "skip", "conv_1x1"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def convolutions(cell) -> int:
    return cell.count("conv_3x3")


def pictures(count: int = 48, seed: int = 0):
    """Noise with a bright upper or lower half: two classes that a network learns in a moment."""
    draw = generator(seed)
    y = torch.arange(count) % 2
    x = torch.randn(count, 1, 6, 6, generator=draw) * 0.3
    x[y == 0, :, :3] += 1
    x[y == 1, :, 3:] += 1
    return x, y


# the space


def test_the_default_is_as_large_as_nas_bench_201():
    space = CellSpace()
    assert len(space) == 15_625 == len(set(space))
    assert space.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def nas_bench_201_text(space, cell, *, zeros: bool) -> str:
    """The published rule for equal cells: expressions with sorted sums; with or without knowing what zero means."""
    nodes = ["0"]
    for j in range(1, space.nodes):
        parts = []
        for (i, end), name in zip(space.edges, cell, strict=True):
            if end == j:
                if zeros and (name == "none" or nodes[i] == "#"):
                    parts.append("#")
                else:
                    parts.append(nodes[i] if name == "skip" else f"({nodes[i]})@{name}")
        nodes.append("+".join(sorted(parts)))
    return nodes[-1]


def test_the_published_rule_finds_the_published_numbers_of_different_cells():
    space = CellSpace()
    assert len({nas_bench_201_text(space, cell, zeros=True) for cell in space}) == 6_466
    assert len({nas_bench_201_text(space, cell, zeros=False) for cell in space}) == 12_751


def test_cells_have_numbers():
    assert [SMALL.index(SMALL.cell(i)) for i in range(len(SMALL))] == list(range(27))
    assert list(SMALL) == list(itertools.product(SMALL.operations, repeat=3))


def test_samples_are_equally_likely():
    draw, counts = generator(), Counter()
    for _ in range(2700):
        counts[SMALL.sample(draw)] += 1
    assert len(counts) == 27
    assert sum((n - 100) ** 2 / 100 for n in counts.values()) < 60  # chi-squared, 26 degrees of freedom


def test_mutations_are_the_neighbours_and_all_of_them():
    cell = ("skip", "none", "conv_1x1")
    around = SMALL.neighbours(cell)
    assert len(around) == len(set(around)) == 6
    assert all(sum(a != b for a, b in zip(cell, other, strict=True)) == 1 for other in around)
    draw = generator()
    assert {SMALL.mutate(cell, draw) for _ in range(200)} == set(around)


def test_live_edges_are_those_whose_weights_matter():
    """Oracle: an edge is live if multiplying its operation by another number changes the output polynomial."""
    for cell in SPACE:
        value = {0: {(): 1}}  # node -> {set of used edges: coefficient}, all operations linear
        for j in range(1, SPACE.nodes):
            value[j] = Counter()
            for edge, (i, end) in enumerate(SPACE.edges):
                if end == j and cell[edge] != "none":
                    for used, times in value[i].items():
                        value[j][(*used, edge)] += times
        mattering = {edge for used in value[SPACE.nodes - 1] for edge in used}
        assert SPACE.live_edges(cell) == tuple(edge in mattering for edge in range(6))


def same_function(space, a, b) -> bool:
    """Whether the weights of some order of layers make two cells equal on random maps."""
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    first, second = (CellLayer(space, cell, 3).double().eval() for cell in (a, b))
    weights = [[m for m in layer.edges if isinstance(m, nn.Sequential)] for layer in (first, second)]
    if len(weights[0]) != len(weights[1]):
        return False
    for order in itertools.permutations(weights[1]):
        for mine, theirs in zip(weights[0], order, strict=True):
            theirs.load_state_dict(mine.state_dict())
        if torch.allclose(first(x), second(x)):
            return True
    return False


def test_cells_of_one_signature_are_one_function_and_others_are_not():
    space = CellSpace(4, ("none", "skip", "conv_1x1"))
    kinds: dict[str, list] = {}
    for cell in space:
        kinds.setdefault(space.signature(cell), []).append(cell)
    assert len(kinds) == 99
    many = [cells for cells in kinds.values() if len(cells) > 1]
    for cells in many[::2]:
        assert same_function(space, cells[0], cells[-1]), cells
    firsts = [cells[0] for cells in kinds.values()]
    for a, b in list(itertools.pairwise(firsts))[::3]:
        assert not same_function(space, a, b), (a, b)


def test_sharing_is_part_of_the_signature():
    once = ("conv_3x3", "none", "none", "none", "skip", "none")
    shared = ("conv_3x3", "none", "avg_pool_3x3", "none", "skip", "skip")  # pool(node 1) + node 1
    apart = ("conv_3x3", "conv_3x3", "none", "none", "skip", "avg_pool_3x3")
    assert SPACE.signature(once) == "conv_3x3(x)"
    assert SPACE.signature(shared) == "avg_pool_3x3(conv_3x3#1(x)) + conv_3x3#1(x)"
    assert SPACE.signature(apart) == "avg_pool_3x3(conv_3x3(x)) + conv_3x3(x)"
    assert SPACE.signature(("none",) * 6) == ""


@pytest.mark.parametrize("cell", [("skip",) * 5, ("skip",) * 5 + ("dance",)])
def test_cells_of_another_space_are_refused(cell):
    for method in (SPACE.index, SPACE.signature, SPACE.live_edges, SPACE.neighbours):
        with pytest.raises(ValueError, match=r"6 edges, got 5|one of none, skip, .*got 'dance'"):
            method(cell)


def test_bad_spaces():
    with pytest.raises(ValueError, match=r"at least 2 nodes.*got 1"):
        CellSpace(1)
    with pytest.raises(ValueError, match="different operations"):
        CellSpace(3, ("skip", "skip"))
    with pytest.raises(ValueError, match="different operations"):
        CellSpace(3, ("skip",))
    with pytest.raises(ValueError, match=r"\[0, 27\), got 27"):
        SMALL.cell(27)


# networks


def test_a_cell_is_the_sum_of_its_paths():
    layer = CellLayer(SPACE, ("conv_3x3", "avg_pool_3x3", "skip", "skip", "none", "conv_3x3"), 4).double().eval()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    first, pool, _, _, last = layer.edges
    torch.testing.assert_close(layer(x), x + last(pool(x) + first(x)))


def test_operations_are_what_they_say():
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    made = {name: make(4, True).double().eval() for name, make in OPERATIONS.items()}
    assert (made["none"](x) == 0).all()
    assert made["skip"](x) is x
    torch.testing.assert_close(made["avg_pool_3x3"](x)[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    for name, padding in (("conv_1x1", 0), ("conv_3x3", 1)):
        wanted = F.conv2d(x.relu(), made[name][1].weight, padding=padding) / math.sqrt(1 + 1e-5)
        torch.testing.assert_close(made[name](x), wanted)
    assert [p.numel() for p in OPERATIONS["conv_1x1"](4, False).parameters()] == [16]


def test_dead_edges_cost_nothing_and_a_cell_without_a_way_says_the_same_of_all():
    dead = CellNetwork(SPACE, ("conv_3x3", "none", "conv_3x3", "skip", "none", "none"))
    alive = CellNetwork(SPACE, ("none", "none", "none", "skip", "none", "none"))
    assert multiply_accumulates(dead, (1, 8, 8)) == multiply_accumulates(alive, (1, 8, 8))
    zero = CellNetwork(SPACE, ("none",) * 6).eval()
    logits = zero(torch.randn(3, 1, 8, 8))
    assert (logits == logits[0]).all()


def test_sizes_of_the_network():
    net = CellNetwork(SPACE, ("skip",) * 6, channels=4, stages=3, cells_per_stage=2, num_classes=7, in_channels=2)
    x = torch.randn(2, 2, 8, 8)
    assert net.forward_features(x).shape == (2, 16, 2, 2)
    assert net(x).shape == (2, 7)
    assert len([layer for layer in net.stages if isinstance(layer, CellLayer)]) == 6


@pytest.mark.parametrize("name", ["channels", "stages", "cells_per_stage", "num_classes", "in_channels"])
def test_bad_sizes(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 1, got 0"):
        CellNetwork(SPACE, ("skip",) * 6, **{name: 0})


def test_unknown_operations_cannot_be_built():
    odd = CellSpace(2, ("skip", "conv_99x99"))
    for build in (lambda: CellNetwork(odd, ("skip",)), lambda: Supernet(odd)):
        with pytest.raises(ValueError, match=r"can be built are .*got conv_99x99"):
            build()


# searches


def test_random_search_evaluates_its_budget():
    history = random_search(SPACE, convolutions, budget=50, generator=generator())
    assert history.scores == [convolutions(cell) for cell in history.cells]
    assert len(history.cells) == 50
    assert history.best_so_far == [max(history.scores[: i + 1]) for i in range(50)]
    assert history.best == history.scores.index(max(history.scores))
    assert set(history.parents) == {None}


@pytest.mark.parametrize("aging", [True, False])
def test_evolution_follows_its_algorithm(aging):
    """Replays the history: parents must have been alive, children must be their neighbours."""
    history = regularized_evolution(
        SPACE, convolutions, budget=60, generator=generator(), population=8, tournament=3, aging=aging
    )
    alive: list[int] = []
    for entry, parent in enumerate(history.parents):
        assert (parent is None) == (entry < 8)
        if parent is not None:
            assert parent in alive
            assert history.cells[entry] in SPACE.neighbours(history.cells[parent])
        alive.append(entry)
        if len(alive) > 8:
            alive.remove(alive[0] if aging else min(alive, key=lambda i: history.scores[i]))
    assert max(history.scores) > max(history.scores[:8])


def test_parents_are_the_best_of_their_tournament():
    history = regularized_evolution(
        SPACE, convolutions, budget=40, generator=generator(), population=6, tournament=6, aging=False
    )
    ranks = [history.scores[parent] for parent in history.parents if parent is not None]
    assert statistics.mean(ranks) > statistics.mean(history.scores[:6])


@pytest.mark.parametrize("search", [regularized_evolution, reinforce_search])
def test_what_learns_beats_chance_where_there_is_something_to_learn(search):
    def late(history) -> float:
        return statistics.mean(history.scores[-20:])

    for seed in range(3):
        found = search(SPACE, convolutions, budget=200, generator=generator(seed))
        chance = random_search(SPACE, convolutions, budget=200, generator=generator(seed))
        assert late(found) > late(chance) + 1


def test_reinforce_takes_the_step_of_its_formula():
    scores = iter([1.0, 3.0, 2.0])
    found = reinforce_search(SMALL, lambda cell: next(scores), budget=3, generator=generator(), lr=0.5, decay=0.8)
    theta, baseline = torch.zeros(3, 3, dtype=torch.float64), 1.0
    for step, score in enumerate([1.0, 3.0]):
        theta.requires_grad_()
        probabilities = theta.softmax(-1)
        torch.testing.assert_close(found.probabilities[step], probabilities.detach())
        chosen = [SMALL.operations.index(name) for name in found.cells[step]]
        log_p = sum(probabilities[edge, i].log() for edge, i in enumerate(chosen))
        baseline = 0.8 * baseline + 0.2 * score if step else score
        theta = (theta + 0.5 * (score - baseline) * torch.autograd.grad(log_p, theta)[0]).detach()
    torch.testing.assert_close(found.probabilities[2], theta.softmax(-1))


@pytest.mark.parametrize("search", [random_search, regularized_evolution, reinforce_search])
def test_searches_repeat_and_refuse_nonsense(search):
    def run(seed: int):
        return search(SPACE, convolutions, budget=30, generator=generator(seed)).cells

    assert run(1) == run(1) != run(2)
    with pytest.raises(ValueError, match="budget must be >= 1, got 0"):
        search(SPACE, convolutions, budget=0, generator=generator())
    with pytest.raises(ValueError, match="finite number, got nan"):
        search(SPACE, lambda cell: math.nan, budget=3, generator=generator())


@pytest.mark.parametrize(("population", "tournament"), [(0, 1), (5, 6), (5, 0)])
def test_bad_populations(population, tournament):
    with pytest.raises(ValueError, match=f"tournament <= population, got {tournament} and {population}"):
        regularized_evolution(
            SPACE, convolutions, budget=5, generator=generator(), population=population, tournament=tournament
        )


@pytest.mark.parametrize(("lr", "decay"), [(0.0, 0.9), (1.0, 1.0), (1.0, -0.1)])
def test_bad_policies(lr, decay):
    with pytest.raises(ValueError, match=f"got {lr} and {decay}"):
        reinforce_search(SPACE, convolutions, budget=5, generator=generator(), lr=lr, decay=decay)


# what a cell is worth


def build_small() -> nn.Module:
    return CellNetwork(SMALL, ("conv_1x1",) * 3, channels=4, stages=1, num_classes=2)


def test_short_training_learns_repeats_and_leaves_chance_alone():
    train, held_out = pictures(), pictures(60, seed=1)
    state = torch.get_rng_state()
    first = short_training(build_small, train, held_out, train, epochs=8, batch_size=8, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert first == short_training(build_small, train, held_out, train, epochs=8, batch_size=8, seed=3)
    assert len(first) == 2
    flat = short_training(lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), train, held_out, epochs=8)
    assert flat[0] > 0.95


def test_short_training_has_a_falling_rate():
    """One step from rate lr to 0: Adam's first step moves every weight by the rate."""
    x, y = torch.ones(1, 1, 1, 1), torch.tensor([1])
    kept = []

    def build() -> nn.Module:
        kept.append(nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False)))
        nn.init.zeros_(kept[-1][1].weight)
        return kept[-1]

    for epochs in (1, 2):
        short_training(build, (x, y), (x, y), epochs=epochs, lr=0.1)
    moved = [net[1].weight[1].item() for net in kept]
    assert moved[0] == pytest.approx(0.1, rel=1e-4)
    assert moved[1] == pytest.approx(0.15, rel=0.02)


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}])
def test_short_training_refuses_nonsense(bad):
    with pytest.raises(ValueError, match="epochs >= 1, batch_size >= 1 and lr > 0"):
        short_training(build_small, pictures(), pictures(), **bad)
    with pytest.raises(ValueError, match="got none"):
        short_training(build_small, (torch.zeros(0, 1, 6, 6), torch.zeros(0)), pictures())


def test_a_table_answers_for_all_cells_of_a_kind():
    cells = {SMALL.index(("conv_1x1", "none", "skip")): (0.25, 0.75), SMALL.index(("skip",) * 3): (0.5, 0.5)}
    table = CellTable(SMALL, cells)
    assert table(("none", "conv_1x1", "skip"), run=1) == 0.75
    assert table.mean(("conv_1x1", "none", "skip")) == 0.5
    assert table.row(("skip",) * 3) == (0.5, 0.5)
    with pytest.raises(KeyError):
        table(("conv_1x1",) * 3)
    with pytest.raises(ValueError, match=r"\[0, 2\), got 2"):
        table(("skip",) * 3, run=2)


@pytest.mark.parametrize("scores", [{}, {0: []}, {0: [0.1], 1: [0.1, 0.2]}])
def test_bad_tables(scores):
    with pytest.raises(ValueError, match="as many for every cell"):
        CellTable(SMALL, scores)


# objectives


def test_mnasnet_objective():
    assert mnasnet_objective(0.75, 80.0, target=80.0) == 0.75
    doubled = mnasnet_objective(0.75, 160.0, target=80.0)
    assert doubled / 0.75 == pytest.approx(2**-0.07)
    assert mnasnet_objective(0.75, 40.0, target=80.0, alpha=0.0, beta=-1.0) == 0.75
    assert mnasnet_objective(0.75, 160.0, target=80.0, alpha=0.0, beta=-1.0) == 0.375
    with pytest.raises(ValueError, match="must be > 0, got 0"):
        mnasnet_objective(0.5, 0.0, target=1.0)
    with pytest.raises(ValueError, match="exponents must be <= 0"):
        mnasnet_objective(0.5, 1.0, target=1.0, beta=0.1)


def test_edge_costs_add_up_to_the_whole_network():
    def macs(cell) -> int:
        return multiply_accumulates(CellNetwork(SPACE, cell, channels=4), (1, 8, 8))

    costs = edge_costs(SPACE, macs)
    conv = SPACE.operations.index("conv_3x3")
    assert (costs[:, conv] == 9 * 4 * 4 * 64 + 9 * 8 * 8 * 16).all()
    assert costs.sum() == costs[:, conv].sum()
    cell = ("conv_3x3", "skip", "conv_3x3", "avg_pool_3x3", "skip", "conv_3x3")
    chosen = F.one_hot(torch.tensor([SPACE.operations.index(name) for name in cell]), 4).double()
    assert expected_cost(chosen, costs).item() == macs(cell) - macs(("skip",) * 6)
    with pytest.raises(ValueError, match="compares with skips"):
        edge_costs(CellSpace(2, ("none", "conv_3x3")), macs)


def test_expected_cost_is_a_mean_over_draws():
    probabilities, costs = torch.rand(3, 3).softmax(-1).double(), torch.rand(3, 3, dtype=torch.float64)
    by_hand = 0.0
    for choice in itertools.product(range(3), repeat=3):
        p = math.prod(probabilities[e, o].item() for e, o in enumerate(choice))
        by_hand += p * sum(costs[e, o].item() for e, o in enumerate(choice))
    assert expected_cost(probabilities, costs).item() == pytest.approx(by_hand)
    with pytest.raises(ValueError, match=r"got \(3, 3\) and \(3, 2\)"):
        expected_cost(probabilities, costs[:, :2])


def test_pareto_front_is_what_nothing_beats():
    draw = generator()
    costs, scores = (torch.randint(0, 12, (60,), generator=draw).tolist() for _ in range(2))

    def beaten(i: int) -> bool:
        better = [(costs[j] <= costs[i], scores[j] >= scores[i]) for j in range(60) if j != i]
        strict = [(costs[j], scores[j]) != (costs[i], scores[i]) for j in range(60) if j != i]
        return any(a and b and c for (a, b), c in zip(better, strict, strict=True))

    front = pareto_front(costs, scores)
    wanted = {(costs[i], scores[i]) for i in range(60) if not beaten(i)}
    assert [(costs[i], scores[i]) for i in front] == sorted(wanted)
    assert pareto_front([], []) == []
    with pytest.raises(ValueError, match="one score per cost, got 1 and 2"):
        pareto_front([1, 2], [1])


# DARTS


def test_a_mixed_operation_is_a_weighted_sum():
    mixed = MixedOperation(("skip", "avg_pool_3x3", "none"), 2)
    x, p = torch.randn(1, 2, 4, 4), torch.tensor([0.5, 0.3, 0.2])
    torch.testing.assert_close(mixed(x, p), 0.5 * x + 0.3 * mixed.operations[1](x))


def test_a_mixed_cell_with_certain_choices_is_that_cell():
    mixed = MixedCell(SPACE, 3).double().eval()
    for cell in (("conv_3x3", "skip", "avg_pool_3x3", "none", "skip", "conv_3x3"), ("none",) * 5 + ("skip",)):
        certain = F.one_hot(torch.tensor([SPACE.operations.index(name) for name in cell]), 4).double()
        plain, x = CellLayer(SPACE, cell, 3).double().eval(), torch.randn(2, 3, 5, 5, dtype=torch.float64)
        live = [edge for edge, alive in enumerate(SPACE.live_edges(cell)) if alive]
        for layer, edge in zip(plain.edges, live, strict=True):
            chosen = mixed.edges[edge].operations[SPACE.operations.index(cell[edge])]
            layer.load_state_dict(chosen.state_dict(), strict=False)  # the mixed norms have no weights: ones, zeros
        torch.testing.assert_close(mixed(x, certain), plain(x))


def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(SMALL, channels=3, stages=1, num_classes=2)


def optimizers(net: Supernet, lr: float = 0.05):
    return torch.optim.SGD(net.weights(), lr=0.1), torch.optim.SGD([net.alphas], lr=lr)


def test_the_supernet_starts_undecided_and_its_parameters_are_all_accounted_for():
    net = supernet()
    assert (net.probabilities() == 1 / 3).all()
    weights = list(net.weights())
    assert all(p is not net.alphas for p in weights)
    assert len(weights) + 1 == len(list(net.parameters()))


def test_one_round_of_darts_is_two_plain_steps():
    """First the alphas, by the validation batch at the old weights; then the weights, by the training batch."""
    train, validation = pictures(8, seed=1), pictures(8, seed=2)
    ours, by_hand = supernet().train(), supernet().train()
    found = search_darts(ours, *optimizers(ours), train, validation, epochs=1, batch_size=8)
    with torch.no_grad():
        loss = F.cross_entropy(by_hand(validation[0]), validation[1])
    assert found.validation_loss == [pytest.approx(loss.item(), rel=1e-4)]
    by_hand = supernet().train()
    (step,) = torch.autograd.grad(F.cross_entropy(by_hand(validation[0]), validation[1]), [by_hand.alphas])
    by_hand.alphas.data -= 0.05 * step
    weights = list(by_hand.weights())
    loss = F.cross_entropy(by_hand(train[0]), train[1])
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.data -= 0.1 * gradient
    assert found.loss == [pytest.approx(loss.item(), rel=1e-4)]
    for mine, wanted in zip(ours.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-5)
    assert len(found.probabilities) == 2
    torch.testing.assert_close(found.probabilities[1], ours.probabilities().detach())


def test_darts_repeats_and_its_seed_matters():
    def run(seed: int):
        net = supernet()
        return search_darts(
            net, *optimizers(net), pictures(24), pictures(20, seed=1), epochs=2, batch_size=8, seed=seed
        ).probabilities[-1]

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_a_penalty_makes_dear_operations_unlikely():
    costs = torch.tensor([[0.0, 0.0, 1.0]] * 3)
    likely = {}
    for weight in (0.0, 20.0):
        net = supernet()
        search_darts(
            net,
            *optimizers(net, lr=0.3),
            pictures(24),
            pictures(24, seed=1),
            epochs=4,
            batch_size=8,
            penalty=lambda p, weight=weight: weight * expected_cost(p, costs),
        )
        likely[weight] = net.probabilities()[:, 2].mean().item()
    assert likely[20.0] < 0.1 < likely[0.0]


def test_darts_refuses_nonsense():
    net = supernet()
    for bad in ({"epochs": 0}, {"epochs": 1, "batch_size": 0}):
        with pytest.raises(ValueError, match="must be >= 1"):
            search_darts(net, *optimizers(net), pictures(), pictures(), **bad)
    nothing = (torch.zeros(0, 1, 6, 6), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="got 0 and 48"):
        search_darts(net, *optimizers(net), nothing, pictures(), epochs=1)
    with pytest.raises(FloatingPointError, match="nan"):
        search_darts(net, *optimizers(net), (pictures()[0] * math.nan, pictures()[1]), pictures(), epochs=1)


def test_derive_keeps_the_strongest():
    space = CellSpace(4, ("none", "skip", "conv_1x1"))
    table = torch.tensor(
        [[0.9, 0.06, 0.04], [0.1, 0.2, 0.7], [0.3, 0.5, 0.2], [0.0, 0.6, 0.4], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1]]
    )
    assert derive(table, space) == ("none", "conv_1x1", "skip", "skip", "conv_1x1", "skip")
    assert derive(table, space, keep=2) == ("skip", "conv_1x1", "skip", "none", "conv_1x1", "skip")
    assert derive(table, space, keep=1) == ("skip", "conv_1x1", "none", "none", "none", "skip")
    with pytest.raises(ValueError, match=r"must be \(6, 3\), got \(6, 2\)"):
        derive(table[:, :2], space)
    with pytest.raises(ValueError, match="keep must be >= 1"):
        derive(table, space, keep=0)
    with pytest.raises(ValueError, match="must have 'none'"):
        derive(torch.ones(1, 2), CellSpace(2, ("skip", "conv_1x1")), keep=1)
