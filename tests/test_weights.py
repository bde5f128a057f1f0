"""Published weights: the order-and-shape mapping, and the way of a file from a server into a model."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from torch import nn

from companion import weights
from companion._torchvision import torchvision
from companion.models import MODELS


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def theirs():
    """The same network under other names, with other numbers, statistics included."""
    model = nn.Sequential()
    model.stem, model.bn, model.flatten, model.fc = small()
    with torch.no_grad():
        for value in model.state_dict().values():
            value.copy_(torch.rand(value.shape) + 0.5)
    return model.eval()


def test_match_state_carries_every_number_over_by_order():
    ours, reference, x = small().eval(), theirs(), torch.randn(2, 3, 3, 3)
    assert not torch.allclose(ours(x), reference(x))
    ours.load_state_dict(weights.match_state(ours, reference.state_dict()), strict=False)
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=0)


def test_match_state_does_without_counters_which_old_files_lack():
    old = {k: v for k, v in theirs().state_dict().items() if not k.endswith("num_batches_tracked")}
    assert list(weights.match_state(small(), old).values()) == list(old.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update({"bn.weight": torch.ones(5)}), r"1.weight \(4,\) cannot take bn.weight \(5,\)"),
        (lambda s: s.pop("fc.bias"), r"need 7 entries, got 6: 3.bias has no partner"),
        (lambda s: s.update(extra=torch.ones(1)), r"need 7 entries, got 8: extra has no partner"),
    ],
)
def test_match_state_names_the_first_place_that_differs(change, message):
    state = dict(theirs().state_dict())
    change(state)
    with pytest.raises(ValueError, match=message):
        weights.match_state(small(), state)


def test_what_is_published_of_alexnet():
    first, best = (weights.published("alexnet", version=v) for v in ("IMAGENET1K_V1", "DEFAULT"))
    assert first.url == best.url == torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url
    assert len(best.categories) == 1000
    assert best.accuracy["acc@1"] == pytest.approx(56.522)
    pixels = torch.randint(0, 256, (3, 300, 400), dtype=torch.uint8)
    assert best.transforms(pixels).shape == (3, 224, 224)


def test_names_and_versions_that_are_not_published():
    with pytest.raises(ValueError, match=r"no published weights for 'lenet'.*'alexnet'"):
        weights.published("lenet")
    with pytest.raises(ValueError, match=r"alexnet has weights \['IMAGENET1K_V1', 'DEFAULT'\], got 'V9'"):
        weights.load_published("alexnet", version="V9")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A server on this machine that offers the weights of `theirs` under the name of AlexNet."""
    folder = tmp_path / "server"
    folder.mkdir()
    reference = theirs()
    torch.save(reference.state_dict(), folder / "weights.pth")
    data = (folder / "weights.pth").read_bytes()
    name = f"small-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    (folder / "weights.pth").rename(folder / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    monkeypatch.setattr(weights, "published", lambda *_, **__: weights.Published("alexnet", "", url, None, [], {}, ""))
    monkeypatch.setitem(MODELS, "alexnet", small)
    yield folder / name, tmp_path / "cache", reference
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_once_checked_and_laid_into_our_model(shop):
    offered, cache, reference = shop
    x = torch.randn(2, 3, 3, 3)
    model = weights.load_published("alexnet", folder=cache)
    assert not model.training
    torch.testing.assert_close(model(x), reference(x), rtol=0, atol=0)
    offered.unlink()
    torch.testing.assert_close(weights.load_published("alexnet", folder=cache)(x), reference(x), rtol=0, atol=0)


def test_a_download_with_another_sum_leaves_nothing(shop):
    offered, cache, _ = shop
    offered.write_bytes(offered.read_bytes()[:-1])
    with pytest.raises(ValueError, match="came damaged, nothing is kept"):
        weights.load_published("alexnet", folder=cache)
    assert list(cache.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_named(shop):
    offered, cache, _ = shop
    weights.load_published("alexnet", folder=cache)
    kept = cache / offered.name
    kept.write_bytes(b"x" + kept.read_bytes()[1:])
    with pytest.raises(ValueError, match=r"is damaged: SHA-256 .* Delete it"):
        weights.load_published("alexnet", folder=cache)


def test_a_server_that_does_not_answer_says_where_to_put_the_file(shop):
    offered, cache, _ = shop
    offered.unlink()
    with pytest.raises(ConnectionError, match=f"Put the file at {cache / offered.name} by hand"):
        weights.load_published("alexnet", folder=cache)


def test_a_file_that_holds_more_than_tensors_is_refused(shop, monkeypatch):
    _, cache, _ = shop
    cache.mkdir()
    torch.save({"0.weight": print}, cache / "evil.pth")
    digits = hashlib.sha256((cache / "evil.pth").read_bytes()).hexdigest()[:8]
    (cache / "evil.pth").rename(cache / f"evil-{digits}.pth")
    evil = weights.Published("alexnet", "", f"http://127.0.0.1/evil-{digits}.pth", None, [], {}, "")
    monkeypatch.setattr(weights, "published", lambda *_, **__: evil)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        weights.load_published("alexnet", folder=cache)


def test_an_address_without_a_checksum_is_refused(shop, monkeypatch):
    _, cache, _ = shop
    plain = weights.Published("alexnet", "", "http://127.0.0.1/plain.pth", None, [], {}, "")
    monkeypatch.setattr(weights, "published", lambda *_, **__: plain)
    with pytest.raises(ValueError, match="names no checksum"):
        weights.load_published("alexnet", folder=cache)
