"""The published formats are written here by hand, byte by byte, and must come back; damage must be named."""

import errno
import gzip
import hashlib
import http.client
import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from companion.data import CLASSES, LabelledImages, images, load

FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
STEMS = {"train": "train", "test": "t10k"}


def idx(array, *, magic=None):
    """The idx format in words: 0, 0, type 8 (unsigned bytes), number of axes; the sizes; the data."""
    head = bytes([0, 0, 8, array.ndim]) if magic is None else magic.to_bytes(4, "big")
    return head + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def random_pictures(count, *shape, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8), labels


def write_mnist(root, pictures, labels, *, name="mnist", split="train", packed=False):
    folder = root / FOLDERS[name] / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in (("images-idx3", pictures), ("labels-idx1", labels)):
        content = data if isinstance(data, bytes) else idx(data)
        path = folder / f"{STEMS[split]}-{kind}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def cifar_batch(pictures, labels):
    return b"".join(bytes([label]) + picture.tobytes() for picture, label in zip(pictures, labels, strict=True))


def cifar_batches(count=4):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    return {name: random_pictures(count, 3, 32, 32, seed=i) for i, name in enumerate(names)}


def write_cifar(root, batches):
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in batches.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else cifar_batch(*content))
    return folder


def cifar_archive(batches):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in batches.items():
            data = content if isinstance(content, bytes) else cifar_batch(*content)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


# the embedded digits


def test_digits_are_scikit_learns_rescaled_and_split_without_loss():
    train, test = load("digits", split="train"), load("digits", split="test")
    assert isinstance(train, LabelledImages)
    assert train.images.dtype == torch.uint8
    assert train.labels.dtype == torch.int64
    assert train.images.shape == (1201, 1, 8, 8)
    assert test.images.shape == (596, 1, 8, 8)
    bunch = load_digits()
    original = sorted(
        (int(y), tuple((x * 255 / 16 + 0.5).astype(int).ravel()))
        for x, y in zip(bunch.images, bunch.target, strict=True)
    )
    together = torch.cat([train.images, test.images]).flatten(1), torch.cat([train.labels, test.labels])
    assert sorted((int(y), tuple(x.tolist())) for x, y in zip(*together, strict=True)) == original


def test_digits_held_out_third_is_stratified_and_fixed():
    train, test = load("digits", split="train").labels, load("digits", split="test").labels
    counts = torch.stack([train.bincount(), test.bincount()])
    assert ((counts[1] - counts.sum(0) / 3).abs() < 1).all()
    again = load("digits", split="test")
    assert torch.equal(again.labels, test)
    checksum = hashlib.sha256(again.images.numpy().tobytes() + again.labels.numpy().tobytes()).hexdigest()
    assert checksum.startswith("ceaf44b80e89ec33"), "the held-out third must never change: chapters quote results on it"


# the published formats


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_come_back(tmp_path, name, split, packed):
    pictures, labels = random_pictures(12, 28, 28)
    write_mnist(tmp_path, pictures, labels, name=name, split=split, packed=packed)
    loaded = load(name, split=split, root=tmp_path)
    assert loaded.images.dtype == torch.uint8
    assert loaded.labels.dtype == torch.int64
    np.testing.assert_array_equal(loaded.images.numpy(), pictures[:, None])
    np.testing.assert_array_equal(loaded.labels.numpy(), labels)


@pytest.mark.parametrize("packed", [False, True])
def test_cifar10_binary_version_comes_back(tmp_path, packed):
    batches = cifar_batches()
    if packed:
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(cifar_archive(batches))
    else:
        write_cifar(tmp_path, batches)
    train, test = (load("cifar10", split=split, root=str(tmp_path)) for split in ("train", "test"))
    expected = [batches[f"data_batch_{i}.bin"] for i in range(1, 6)]
    np.testing.assert_array_equal(train.images.numpy(), np.concatenate([pictures for pictures, _ in expected]))
    np.testing.assert_array_equal(train.labels.numpy(), np.concatenate([labels for _, labels in expected]))
    np.testing.assert_array_equal(test.images.numpy(), batches["test_batch.bin"][0])
    assert train.images.shape == (20, 3, 32, 32)
    assert test.labels.dtype == torch.int64


def test_first_plane_of_cifar10_is_red(tmp_path):
    picture = np.zeros((3, 32, 32), np.uint8)
    picture[0, 0, 31] = 200  # red, first row, last column: byte 31 of the 3072
    write_cifar(tmp_path, {"test_batch.bin": bytes([5]) + picture.tobytes()})
    loaded = load("cifar10", split="test", root=tmp_path)
    assert loaded.images[0, 0, 0, 31] == 200
    assert loaded.images.sum() == 200
    assert loaded.labels.tolist() == [5]


def test_loaded_pictures_may_be_changed_without_touching_the_next_load(tmp_path):
    write_mnist(tmp_path, *random_pictures(3, 28, 28))
    load("mnist", split="train", root=tmp_path).images.zero_()
    assert load("mnist", split="train", root=tmp_path).images.sum() > 0


def test_every_set_has_ten_named_classes():
    assert {name: len(set(classes)) for name, classes in CLASSES.items()} == dict.fromkeys(CLASSES, 10)


def test_without_a_root_the_cache_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="companion"):
        load("mnist", split="train")
    write_mnist(tmp_path / ".cache" / "companion", *random_pictures(3, 28, 28))
    assert len(load("mnist", split="train").labels) == 3


# bad input


def test_unknown_names_and_splits_list_the_known():
    with pytest.raises(ValueError, match=r"digits, mnist, fashion-mnist, cifar10, got 'mnits'"):
        load("mnits", split="train")
    with pytest.raises(ValueError, match=r"'train' or 'test', got 'val'"):
        load("digits", split="val")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_missing_files_name_the_place_and_both_ways_out(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"(?s)which is not there.*download=True.*'digits'") as caught:
        load(name, split="train", root=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


PICTURES, LABELS = random_pictures(10, 28, 28)


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (
            idx(PICTURES)[:-1],
            LABELS,
            r"images-idx3-ubyte is damaged: found 7839 bytes of data, expected 7840",
        ),
        (idx(PICTURES) + b"\0", LABELS, r"found 7841 bytes of data, expected 7840"),
        (idx(PICTURES)[:9], LABELS, r"found 9 bytes, expected a head of 16 bytes"),
        (b"", LABELS, r"found 0 bytes, expected a head of 16 bytes"),
        (idx(PICTURES, magic=2049), LABELS, r"found magic number 2049, expected 2051"),
        (idx(PICTURES[:, :14]), LABELS, r"found pictures of 14×28, expected 28×28"),
        (idx(PICTURES[:0]), LABELS, r"found 0 bytes of data, expected 0 > 0"),
        (
            PICTURES,
            idx(LABELS, magic=2051),
            r"labels-idx1-ubyte is damaged: found magic number 2051, expected 2049",
        ),
        (PICTURES, LABELS[:9], r"found 9 labels, expected one for each of the 10 pictures"),
        (
            PICTURES,
            np.where(LABELS == 7, 10, LABELS).astype(np.uint8),
            r"found label 10 at item 7, expected labels 0 to 9",
        ),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, pictures, labels, message):
    write_mnist(tmp_path, pictures, labels)
    with pytest.raises(ValueError, match=message) as caught:
        load("mnist", split="train", root=tmp_path)
    assert "download=True" in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: b"no gzip", lambda data: data[:40] + b"\0" * 40 + data[80:]],
)
def test_damaged_gzip_is_named(tmp_path, damage):
    folder = write_mnist(tmp_path, PICTURES, LABELS, packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"images-idx3-ubyte.gz is damaged: found a broken archive"):
        load("mnist", split="train", root=tmp_path)


def replaced(**contents):
    return {**cifar_batches(), **{f"{name}.bin": content for name, content in contents.items()}}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"data_batch_3": b"\0" * 3074},
            r"data_batch_3.bin is damaged: found 3074 bytes, expected a positive multiple of 3073",
        ),
        ({"data_batch_1": b""}, r"data_batch_1.bin is damaged: found 0 bytes"),
        ({"data_batch_2": b"\n" + b"\0" * 3072}, r"data_batch_2.bin is damaged: found label 10 at item 0"),
        (
            {"data_batch_5": b"\0" * 3073},
            r"data_batch_5.bin is damaged: found 1 pictures, expected as many as data_batch_1.bin, 4",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_cifar10_batches_are_named(tmp_path, contents, message, packed):
    if packed:
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(cifar_archive(replaced(**contents)))
    else:
        write_cifar(tmp_path, replaced(**contents))
    with pytest.raises(ValueError, match=message):
        load("cifar10", split="train", root=tmp_path)
    assert len(load("cifar10", split="test", root=tmp_path).labels) == 4


def test_damaged_cifar10_archive_is_named(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    whole = cifar_archive(cifar_batches())
    for content in (whole[: len(whole) // 2], b"not an archive"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz is damaged: found a broken archive"):
            load("cifar10", split="train", root=tmp_path)
    path.write_bytes(cifar_archive({"test_batch.bin": cifar_batches()["test_batch.bin"]}))
    with pytest.raises(ValueError, match=r"no file cifar-10-batches-bin/data_batch_1.bin, expected all six"):
        load("cifar10", split="train", root=tmp_path)


def test_archive_paths_that_climb_out_are_never_written(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    batches = {**cifar_batches(), "../../escaped": b"x"}
    (root / "cifar-10-binary.tar.gz").write_bytes(cifar_archive(batches))
    load("cifar10", split="train", root=root)
    assert [path.name for path in tmp_path.rglob("*")] == ["root", "cifar-10-binary.tar.gz"]


def test_incomplete_unpacked_folder_falls_back_to_the_archive(tmp_path):
    batches = cifar_batches()
    write_cifar(tmp_path, {"data_batch_1.bin": batches["data_batch_1.bin"]})
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(cifar_archive(batches))
    assert len(load("cifar10", split="train", root=tmp_path).labels) == 20


# downloads


class Reply(io.BytesIO):
    """What urlopen returns; may break after some bytes."""

    def __init__(self, content, error=None):
        super().__init__(content)
        self.error = error

    def read(self, size=-1):
        piece = super().read(size)
        if not piece and self.error:
            raise self.error
        return piece


@pytest.fixture
def server(monkeypatch):
    """A stand-in for the network: `contents` maps file names to bytes or errors, `asked` lists addresses."""

    class Server:
        contents, asked, break_with = {}, [], None

    def urlopen(url, timeout):
        assert timeout > 0
        Server.asked.append(url)
        content = Server.contents.get(url.rsplit("/", 1)[1], urllib.error.URLError("name resolution failed"))
        if isinstance(content, BaseException):
            raise content
        return Reply(content, Server.break_with)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return Server


def publish(monkeypatch, server, files):
    """Let the server hold `files`, and let the module expect their checksums."""
    server.contents = dict(files)

    def resum(archive):
        content = files.get(archive.path.rsplit("/", 1)[-1])
        return archive if content is None else archive._replace(md5=hashlib.md5(content).hexdigest())

    monkeypatch.setattr(images, "_IDX", {key: tuple(map(resum, pair)) for key, pair in images._IDX.items()})
    monkeypatch.setattr(images, "_CIFAR10", resum(images._CIFAR10))


def small_mnist(split="train"):
    return {
        f"{STEMS[split]}-images-idx3-ubyte.gz": gzip.compress(idx(PICTURES), mtime=0),
        f"{STEMS[split]}-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS), mtime=0),
    }


def test_download_happens_only_when_asked_and_only_once(tmp_path, monkeypatch, server):
    publish(monkeypatch, server, small_mnist())
    with pytest.raises(FileNotFoundError):
        load("mnist", split="train", root=tmp_path)
    assert server.asked == []
    first = load("mnist", split="train", root=tmp_path, download=True)
    assert len(server.asked) == 2
    second = load("mnist", split="train", root=tmp_path, download=True)
    assert len(server.asked) == 2
    np.testing.assert_array_equal(first.images.numpy(), PICTURES[:, None])
    assert torch.equal(first.images, second.images)
    assert sorted(path.name for path in (tmp_path / "MNIST/raw").iterdir()) == sorted(small_mnist())


def test_cifar10_is_downloaded_as_published(tmp_path, monkeypatch, server):
    archive = cifar_archive(cifar_batches())
    publish(monkeypatch, server, {"cifar-10-binary.tar.gz": archive})
    assert len(load("cifar10", split="train", root=tmp_path, download=True).labels) == 20
    assert (tmp_path / "cifar-10-binary.tar.gz").read_bytes() == archive


def test_second_address_is_tried_after_a_wrong_checksum(tmp_path, monkeypatch, server):
    publish(monkeypatch, server, small_mnist())
    good = urllib.request.urlopen

    def first_lies(url, timeout):
        reply = good(url, timeout)
        return Reply(b"<html>moved</html>") if "ossci" in url else reply

    monkeypatch.setattr(urllib.request, "urlopen", first_lies)
    assert len(load("mnist", split="train", root=tmp_path, download=True).labels) == 10
    assert len(server.asked) == 4


def test_wrong_checksum_leaves_nothing(tmp_path, server):
    server.contents = small_mnist()  # valid files, yet not the published ones
    with pytest.raises(ConnectionError, match=r"MD5 sum [0-9a-f]{32}, published is f68b3c2dcbeaaa9fbdd348bbdeb94873"):
        load("mnist", split="train", root=tmp_path, download=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("name resolution failed"),
        TimeoutError("timed out"),
        http.client.RemoteDisconnected("closed"),
    ],
)
def test_offline_is_said_with_the_way_out(tmp_path, server, failure):
    server.contents = dict.fromkeys(small_mnist(), failure)
    with pytest.raises(
        ConnectionError, match=r"could not fetch train-images-idx3-ubyte.gz .*by hand, or use name='digits'"
    ):
        load("mnist", split="train", root=tmp_path, download=True)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "failure", [ConnectionResetError("reset"), http.client.IncompleteRead(b"", 9), TimeoutError("read")]
)
def test_broken_transfer_leaves_nothing(tmp_path, monkeypatch, server, failure):
    publish(monkeypatch, server, small_mnist())
    server.break_with = failure
    with pytest.raises(ConnectionError, match="could not fetch"):
        load("mnist", split="train", root=tmp_path, download=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_interrupt_leaves_nothing(tmp_path, monkeypatch, server):
    publish(monkeypatch, server, small_mnist())
    server.break_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        load("mnist", split="train", root=tmp_path, download=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch, server):
    publish(monkeypatch, server, small_mnist())
    true_open = Path.open

    def full(self, mode="r", *args, **kwargs):
        file = true_open(self, mode, *args, **kwargs)
        if mode == "wb":
            true_write = file.raw.write

            class Full(type(file)):
                def write(self, data):
                    true_write(bytes(data[:5]))
                    raise OSError(errno.ENOSPC, "No space left on device")

            return Full(file.detach())
        return file

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="nothing is kept: No space left on device") as caught:
        load("mnist", split="train", root=tmp_path, download=True)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename.endswith("train-images-idx3-ubyte.gz")
    assert not isinstance(caught.value, ConnectionError)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_root_that_is_a_file_is_said_plainly(tmp_path, monkeypatch, server):
    publish(monkeypatch, server, small_mnist())
    (tmp_path / "root").write_text("a file")
    with pytest.raises(OSError, match="could not write the download"):
        load("mnist", split="train", root=tmp_path / "root", download=True)
