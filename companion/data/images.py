"""Labelled pictures: scikit-learn's digits, which are always there, and three published sets read from disk.

MNIST and Fashion-MNIST are read from their idx files, CIFAR-10 from its binary version: plain bytes, so that
no file can run code. An archive is read as it was published, without unpacking it; unpacked files are read
first where they are (`MNIST/raw` and `FashionMNIST/raw` are torchvision's places). Nothing here touches the
network unless a call says `download=True`, and then the published checksums decide.

Letters: N pictures, C channels, H rows, W columns.
"""

import contextlib
import gzip
import hashlib
import http.client
import math
import os
import tarfile
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]

CLASSES: dict[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
"""The names of the classes of each set, in the order of its labels."""

SPLITS = ("train", "test")


class LabelledImages(NamedTuple):
    """Pictures and their classes: `images, labels = load(...)`.

    Shape:
        images: (N, C, H, W), uint8, 0 black to 255 white.
        labels: (N,), int64, indices into `CLASSES[name]`.
    """

    images: Tensor
    labels: Tensor


class _Archive(NamedTuple):
    """A published file: its place below `root`, where to get it, and the publishers' MD5 sum."""

    path: str
    urls: tuple[str, ...]
    md5: str


def _idx(folder: str, bases: tuple[str, ...], stem: str, md5: str) -> _Archive:
    return _Archive(f"{folder}/raw/{stem}-ubyte.gz", tuple(f"{base}{stem}-ubyte.gz" for base in bases), md5)


_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_IDX = {  # name, split -> the file of the images, the file of the labels
    ("mnist", "train"): (
        _idx("MNIST", _MNIST, "train-images-idx3", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _idx("MNIST", _MNIST, "train-labels-idx1", "d53e105ee54ea40749a09fcbcd1e9432"),
    ),
    ("mnist", "test"): (
        _idx("MNIST", _MNIST, "t10k-images-idx3", "9fb629c4189551a2d022fa330f9573f3"),
        _idx("MNIST", _MNIST, "t10k-labels-idx1", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    ("fashion-mnist", "train"): (
        _idx("FashionMNIST", _FASHION, "train-images-idx3", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        _idx("FashionMNIST", _FASHION, "train-labels-idx1", "25c81989df183df01b3e8a0aad5dffbe"),
    ),
    ("fashion-mnist", "test"): (
        _idx("FashionMNIST", _FASHION, "t10k-images-idx3", "bef4ecab320f06d8554ea6380940ec79"),
        _idx("FashionMNIST", _FASHION, "t10k-labels-idx1", "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
}
_CIFAR10 = _Archive(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    "c32a1d4ab5d03f1284b67883e8d87530",
)
_CIFAR10_BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}


def load(
    name: str, *, split: str, root: str | os.PathLike[str] | None = None, download: bool = False
) -> LabelledImages:
    """Return one half of a set of labelled pictures.

    | name            | pictures             | training, held out |
    |-----------------|----------------------|--------------------|
    | `digits`        | 8×8, grey, embedded  | 1201, 596          |
    | `mnist`         | 28×28, grey          | 60 000, 10 000     |
    | `fashion-mnist` | 28×28, grey          | 60 000, 10 000     |
    | `cifar10`       | 32×32, red green blue| 50 000, 10 000     |

    Of each class of the digits every third one, in the order of the set, is held out: a fixed third with the
    same share of every class. The same people wrote both parts: the held-out error is that for known hands.

    Args:
        name: a key of `CLASSES`.
        split: "train" or "test" (held out).
        root: folder of the files; `~/.cache/companion` unless given. The digits need none.
        download: fetch what is missing below `root`. The only way in which this module uses the network.

    Raises:
        ValueError: unknown name or split; a file is damaged, cut short, or not what its name says.
        FileNotFoundError: a file is missing and `download` is False.
        ConnectionError: a download failed or brought something else than was published.
        OSError: a download could not be written. In no case is a partial file left under the file's name.

    Source: Alpaydın & Kaynak 1998 (digits, as in scikit-learn); LeCun, Bottou, Bengio & Haffner 1998 (MNIST);
        Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747 (Fashion-MNIST); Krizhevsky 2009 (CIFAR-10).
    Differs: the digits are rescaled from 0..16 to 0..255. CIFAR-10's Python version, a pickle, is not read.
    """
    if name not in CLASSES:
        raise ValueError(f"name must be one of {', '.join(CLASSES)}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    if name == "digits":
        return _digits(split)
    folder = Path.home() / ".cache" / "companion" if root is None else Path(root)
    images, labels = (
        _read_cifar10(folder, split, download) if name == "cifar10" else _read_mnist(folder, name, split, download)
    )
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def _digits(split: str) -> LabelledImages:
    from sklearn.datasets import load_digits  # here, because scikit-learn takes long to import

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]  # (1797, 1, 8, 8)
    labels = bunch.target.astype(np.int64)
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[2::3]] = True
    chosen = held_out if split == "test" else ~held_out
    return LabelledImages(torch.from_numpy(images[chosen]), torch.from_numpy(labels[chosen]))


def _read_mnist(root: Path, name: str, split: str, download: bool) -> tuple[Bytes, Bytes]:
    image_file, label_file = _IDX[name, split]
    _, images = _read_idx(root, image_file, (28, 28), name, download)
    path, labels = _read_idx(root, label_file, (), name, download)
    if len(labels) != len(images):
        raise _damaged(path, f"{len(labels)} labels", f"one for each of the {len(images)} pictures")
    _check_labels(path, labels)
    return images[:, None], labels


def _read_idx(root: Path, archive: _Archive, item: tuple[int, ...], name: str, download: bool) -> tuple[Path, Bytes]:
    """Return the path and the (N, *item) data of an idx file: magic number and sizes (>u4), then bytes."""
    packed = root / archive.path
    plain = packed.with_suffix("")
    if plain.is_file():
        path, content = plain, plain.read_bytes()
    else:
        path = _provide(archive, packed, name, download)
        with _explained(path), gzip.open(path) as file:
            content = file.read()
    axes = 1 + len(item)
    head = 4 * (1 + axes)
    if len(content) < head:
        raise _damaged(path, f"{len(content)} bytes", f"a head of {head} bytes")
    magic, count, *size = (int(number) for number in np.frombuffer(content[:head], ">u4"))
    if magic != 0x0800 + axes:  # 0x08: unsigned bytes
        raise _damaged(path, f"magic number {magic}", f"{0x0800 + axes}, unsigned bytes with {axes} axes")
    if tuple(size) != item:
        raise _damaged(path, f"pictures of {size[0]}×{size[1]}", f"{item[0]}×{item[1]}")
    data = content[head:]
    if count == 0 or len(data) != count * math.prod(item):
        raise _damaged(path, f"{len(data)} bytes of data", f"{count * math.prod(item)} > 0, as its head says")
    return path, np.frombuffer(bytearray(data), np.uint8).reshape(count, *item)


def _read_cifar10(root: Path, split: str, download: bool) -> tuple[Bytes, Bytes]:
    """Return (N, 3, 32, 32) images and (N,) labels. A record: 1 byte of label, 3072 of red, green, blue."""
    names = _CIFAR10_BATCHES[split]
    unpacked = [root / "cifar-10-batches-bin" / name for name in names]
    if all(path.is_file() for path in unpacked):
        batches = {path: path.read_bytes() for path in unpacked}
    else:
        packed = _provide(_CIFAR10, root / _CIFAR10.path, "cifar10", download)
        with _explained(packed), tarfile.open(packed, "r:gz") as archive:
            batches = {packed / name: _read_member(archive, packed, name) for name in names}
    records = []
    for path, data in batches.items():
        if not data or len(data) % 3073:
            raise _damaged(path, f"{len(data)} bytes", "a positive multiple of 3073, the length of a record")
        records.append(np.frombuffer(bytearray(data), np.uint8).reshape(-1, 3073))
        _check_labels(path, records[-1][:, 0])
        if len(records[-1]) != len(records[0]):
            raise _damaged(path, f"{len(records[-1])} pictures", f"as many as {names[0]}, {len(records[0])}")
    together = np.concatenate(records)
    return np.ascontiguousarray(together[:, 1:]).reshape(-1, 3, 32, 32), together[:, 0]


def _read_member(archive: tarfile.TarFile, packed: Path, name: str) -> bytes:
    """Return the bytes of a member, read in place: nothing is unpacked, so no path in the archive matters."""
    try:
        file = archive.extractfile(f"cifar-10-batches-bin/{name}")
    except KeyError:
        file = None
    if file is None:
        raise _damaged(packed, f"no file cifar-10-batches-bin/{name}", "all six batches")
    with file:
        return file.read()


def _check_labels(path: Path, labels: Bytes) -> None:
    if labels.max() > 9:
        where = int(labels.argmax())
        raise _damaged(path, f"label {labels[where]} at item {where}", "labels 0 to 9")


def _damaged(path: Path, found: str, rule: str) -> ValueError:
    return ValueError(
        f"{path} is damaged: found {found}, expected {rule}. "
        "Delete it and call load(..., download=True), or use name='digits', which needs no files."
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what gzip and tar say of a broken archive into our error."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError) as error:
        raise _damaged(path, f"a broken archive ({error})", "a complete one") from error


def _provide(archive: _Archive, path: Path, name: str, download: bool) -> Path:
    """Return `path`, fetched if it is missing and may be."""
    if not path.is_file():
        if not download:
            raise FileNotFoundError(
                f"{name} needs {path} (or the same, unpacked), which is not there. Put it there, or fetch it "
                f"once by load({name!r}, ..., download=True); name='digits' needs no files."
            )
        _fetch(archive, path)
    return path


def _fetch(archive: _Archive, path: Path) -> None:
    """Download to a temporary file beside `path`, compare the checksum, only then give it its name."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    failures = []
    try:
        for url in archive.urls:
            try:
                found = _stream(url, partial)
            except ConnectionError as error:
                failures.append(f"{url}: {error}")
                continue
            if found == archive.md5:
                partial.replace(path)
                return
            failures.append(f"{url}: MD5 sum {found}, published is {archive.md5}")
    except OSError as error:
        raise OSError(
            error.errno, f"could not write the download, nothing is kept: {error.strerror}", str(path)
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    raise ConnectionError(
        f"could not fetch {path.name} ({'; '.join(failures)}). "
        f"Put the file at {path} by hand, or use name='digits', which needs no network."
    )


def _stream(url: str, partial: Path) -> str:
    """Write what `url` holds to `partial`; return its MD5 sum.

    Raises:
        ConnectionError: the network failed.
        OSError: the disk did.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with _network():
        reply = urllib.request.urlopen(url, timeout=30)
    with reply:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            while True:
                with _network():
                    piece = reply.read(1 << 20)
                if not piece:
                    return digest.hexdigest()
                digest.update(piece)
                file.write(piece)


@contextlib.contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
