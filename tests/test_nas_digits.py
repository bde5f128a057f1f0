"""The stored trainings: complete, one row for each kind of cell, and made again in part."""

import statistics

import numpy as np
import pytest
import torch

from companion.data import load
from companion.data.nas_digits import nas_digits
from companion.nas import CellNetwork, CellSpace, CellTable, Supernet, search_darts, short_training

STORED = nas_digits()
SPACE = CellSpace(4, STORED.operations)


def digits():
    images, labels = load("digits", split="train")
    x = (images / 255 - 0.3) / 0.37
    test_images, test_labels = load("digits", split="test")
    return (x[:300], labels[:300]), (x[300:], labels[300:]), ((test_images / 255 - 0.3) / 0.37, test_labels)


def test_there_is_one_row_for_each_kind_of_cell():
    kinds = {SPACE.signature(cell) for cell in SPACE}
    assert {SPACE.signature(SPACE.cell(i)) for i in STORED.validation} == kinds
    assert len(STORED.validation) == len(kinds) == 1011
    assert list(STORED.validation) == list(STORED.test)


def test_accuracies_are_counts_of_the_examples_there_are():
    for rows, size in ((STORED.validation, 901), (STORED.test, 596)):
        table = np.array(list(rows.values()))
        assert table.shape == (1011, 3)
        assert ((table > 0.04) & (table < 1)).all()
        np.testing.assert_allclose(table * size, np.rint(table * size), atol=1e-6)


def test_trainings_differ_and_agree_on_the_whole():
    table = np.array(list(STORED.validation.values()))
    assert (table[:, 0] != table[:, 1]).mean() > 0.9
    assert np.corrcoef(table.T).min() > 0.7
    assert np.corrcoef(table.mean(1), np.array(list(STORED.test.values())).mean(1))[0, 1] > 0.95


@pytest.mark.parametrize("cell", [("conv_3x3",) * 6, ("skip",) * 6])
def test_a_training_now_gives_what_is_stored(cell):
    train, validation, test = digits()
    now = [short_training(lambda: CellNetwork(SPACE, cell), train, validation, test, seed=s) for s in range(2)]
    for place, stored in enumerate((STORED.validation, STORED.test)):
        before = CellTable(SPACE, stored).row(cell)[:2]
        assert statistics.mean(pair[place] for pair in now) == pytest.approx(statistics.mean(before), abs=0.1)


def test_searches_are_tables_of_probabilities():
    assert {(run.cells_per_stage, run.cost_weight, run.seed) for run in STORED.darts} == {
        (depth, weight, seed) for seed in range(3) for depth, weight in ((1, 0.0), (4, 0.0), (1, 0.1), (1, 1.0))
    }
    for run in STORED.darts:
        assert run.probabilities.shape == (41, 6, 4)
        assert len(run.loss) == len(run.validation_loss) == 40
        np.testing.assert_allclose(run.probabilities.sum(-1), 1, atol=0.003)
        assert (run.probabilities[0] == 0.25).all()
        assert run.loss[-1] < run.loss[0]


def test_an_epoch_of_a_search_now_gives_what_is_stored():
    train, validation, _ = digits()
    run = next(run for run in STORED.darts if (run.cells_per_stage, run.cost_weight, run.seed) == (1, 0.0, 0))
    torch.manual_seed(0)
    net = Supernet(SPACE, channels=4)
    now = search_darts(
        net,
        torch.optim.SGD(net.weights(), lr=0.1, momentum=0.9, weight_decay=3e-4),
        torch.optim.Adam([net.alphas], lr=0.1, betas=(0.5, 0.999), weight_decay=1e-3),
        train,
        (validation[0][:300], validation[1][:300]),
        epochs=1,
        batch_size=50,
    )
    np.testing.assert_allclose(now.probabilities[1], run.probabilities[1], atol=0.03)
