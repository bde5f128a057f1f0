"""Published weights in our models: torchvision's official files, checked, and laid into place in order.

Nothing is fetched unless `load_published` is called.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from companion._torchvision import torchvision
from companion.models import MODELS

AS_TRAINED: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True},
    "inception_v3": {"transform_input": True},
}
"""Options with which torchvision's weights want the model built: these two were trained on pixels in [-1, 1]."""


class Published(NamedTuple):
    """What torchvision says of a set of weights: where it lies, how to feed it, what it reached on ImageNet-1k.

    Attributes:
        name, version: of the model and of the weights ("IMAGENET1K_V1").
        url: of the file; its name ends in the first digits of its SHA-256 sum.
        transforms: from a picture (PIL, or uint8 (3, H, W)) to the (3, h, w) tensor that the model expects.
        categories: names of the classes, in the order of the logits.
        accuracy: {"acc@1": ..., "acc@5": ...}, per cent on the validation pictures, by `transforms`.
        recipe: address of the training recipe.
    """

    name: str
    version: str
    url: str
    transforms: Any
    categories: list[str]
    accuracy: dict[str, float]
    recipe: str


def match_state(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a state dict under our names: the i-th of theirs goes to our i-th place.

    Names differ between libraries, the order of the layers does not. Every shape is compared. The counters
    `num_batches_tracked` are left out: old files lack them, and no result depends on them.

    Args:
        model: whose places are to be filled; it is not changed.
        state: parameters and buffers, batch-norm statistics included, of the same architecture.

    Raises:
        ValueError: if a shape or the number of entries differs; the message names the first place that does.

    Example:
        >>> theirs = nn.Sequential()
        >>> theirs.fc = nn.Linear(3, 2)
        >>> list(match_state(nn.Sequential(nn.Linear(3, 2)), theirs.state_dict()))
        ['0.weight', '0.bias']
    """
    places, given = _entries(model.state_dict()), _entries(state)
    for (place, old), (name, new) in zip(places, given, strict=False):
        if old.shape != new.shape:
            raise ValueError(f"{place} {tuple(old.shape)} cannot take {name} {tuple(new.shape)}: not the same network")
    if len(places) != len(given):
        extra = places[len(given)][0] if len(places) > len(given) else given[len(places)][0]
        raise ValueError(f"need {len(places)} entries, got {len(given)}: {extra} has no partner")
    return {place: new for (place, _), (_, new) in zip(places, given, strict=True)}


def published(name: str, *, version: str = "DEFAULT") -> Published:
    """Return what is published of a model's weights; nothing is fetched.

    Args:
        name: of one of our models that torchvision also has.
        version: "DEFAULT" for torchvision's best, or a name such as "IMAGENET1K_V1".

    Raises:
        ValueError: for a name without published weights, or another version; the message lists what there is.
    """
    versions = _versions(name)
    if version not in versions.__members__:
        raise ValueError(f"{name} has weights {list(versions.__members__)}, got {version!r}")
    weights = versions[version]
    meta = weights.meta
    return Published(
        name,
        weights.name,
        weights.url,
        weights.transforms(),
        meta["categories"],
        dict(meta["_metrics"]["ImageNet-1K"]),
        meta.get("recipe", ""),
    )


def load_published(name: str, *, version: str = "DEFAULT", folder: str | Path | None = None) -> nn.Module:
    """Return our model with torchvision's official weights, in evaluation mode.

    The file is fetched once, and kept. Before each use its SHA-256 sum is compared with the digits in its name,
    and it is read with `weights_only=True`.

    Args:
        name: as in `published`.
        version: as in `published`.
        folder: where the file lies or shall lie; by default torch.hub's folder of checkpoints.

    Raises:
        ValueError: as `published`; or the file is damaged. Then delete it and call again.
        ConnectionError: the file is not there and cannot be fetched; the message says where to put it by hand.
    """
    source = published(name, version=version)
    folder = Path(torch.hub.get_dir()) / "checkpoints" if folder is None else Path(folder)
    path = folder / source.url.rsplit("/", 1)[-1]
    digits = re.fullmatch(r".+-([0-9a-f]{8,})\.\w+", path.name)
    if digits is None:
        raise ValueError(f"{source.url} names no checksum, so it cannot be trusted")
    if not path.is_file():
        _fetch(source.url, path, digits[1])
    found = _sha256(path)
    if not found.startswith(digits[1]):
        raise ValueError(f"{path} is damaged: SHA-256 {found[: len(digits[1])]}…, published is {digits[1]}. Delete it.")
    model = MODELS[name](**AS_TRAINED.get(name, {}))
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(match_state(model, state), strict=False)  # only the counters are missing
    return model.eval()


def _entries(state: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in state.items() if not name.endswith("num_batches_tracked")]


def _versions(name: str) -> Any:
    known = set(MODELS) & set(torchvision.models.list_models(module=torchvision.models))
    if name not in known:
        raise ValueError(f"no published weights for {name!r}; there are some for {sorted(known)}")
    return torchvision.models.get_model_weights(name)


def _fetch(url: str, path: Path, digits: str) -> None:
    """Download to a temporary file beside `path`, compare the sum, only then give it its name (torch.hub does)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=digits)
    except OSError as error:
        raise ConnectionError(f"could not fetch {url}: {error}. Put the file at {path} by hand.") from error
    except RuntimeError as error:
        raise ValueError(f"{url} came damaged, nothing is kept: {error}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
