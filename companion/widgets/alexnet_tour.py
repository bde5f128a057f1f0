"""A walk through a convolutional network drawn in one tower or two: shapes, windows, and where the cost lies.

>>> image = {**dict.fromkeys(LAYER, 0), "name": "input", "kind": "picture", "shape": [3, 8, 8]}
>>> image |= {"weight": [], "window": [], "then": ""}
>>> conv = {**image, "name": "conv1", "kind": "convolution", "shape": [4, 8, 8], "weight": [4, 3, 3, 3]}
>>> conv |= {"window": [3, 1, 1], "parameters": 112, "macs": 6912, "field": 3, "then": "ReLU"}
>>> tour = AlexNetTour([{"name": "small", "note": "One layer.", "towers": 1, "layers": [image, conv]}])
>>> tour.network, tour.layer
('small', 'conv1')
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import traitlets

from companion.widgets.base import BookWidget

NETWORK = ("name", "note", "towers", "layers")
LAYER = ("name", "kind", "shape", "weight", "window", "parameters", "macs", "field", "crosses", "then")
MOST_LAYERS = 40


class AlexNetTour(BookWidget):
    """Networks side by side, layer by layer: point at a layer, or step, and read what it does and costs.

    Args:
        networks: each with `name`, `note` (a sentence), `towers` (1 or 2) and `layers`, from the picture on. A
            layer has `name`, `kind` (what it does, in words), `shape` of its output for one picture ((C, H, W)
            or (n,)), `weight` (shape of its weights, () if none), `window` ((side, stride, padding) in pixels of
            its input, () if none), `parameters`, `macs` (multiply-accumulates for one picture), `field` (side of
            the receptive field in pixels of the picture; 0 for all of it), `crosses` (how many numbers each
            tower sends to the other before this layer, for one picture) and `then` (what follows, in words).
        picture: (3, h, w) bytes, 0 to 255, to be shown as the input; small, it travels with the page.
        network, layer: names of what is shown first; by default the first network's first layer.
        key, label: see `BookWidget`.

    Raises:
        ValueError: for a picture of another shape or type, no network, one without layers or with too many,
            missing fields, names that occur twice, towers other than 1 or 2, a shape that is not one or three
            positive numbers, a negative count, or an unknown network or layer.
    """

    module = "alexnet_tour"
    linked = ("network", "layer")

    networks = traitlets.List(traitlets.Dict()).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    picture_size = traitlets.List(traitlets.Int()).tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        networks: Sequence[Mapping[str, Any]],
        *,
        picture: npt.ArrayLike | None = None,
        network: str | None = None,
        layer: str | None = None,
        key: str = "tour",
        label: str = "Walk through the layers of a convolutional network",
    ) -> None:
        checked = [_network(given) for given in networks]
        names = [given["name"] for given in checked]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"need one or more networks with names of their own, got {names}")
        network = names[0] if network is None else network
        if network not in names:
            raise ValueError(f"network must be one of {', '.join(names)}, got {network!r}")
        layers = [given["name"] for given in checked[names.index(network)]["layers"]]
        layer = layers[1] if layer is None else layer
        if layer not in layers:
            raise ValueError(f"layer must be one of {', '.join(layers)}, got {layer!r}")
        pixels = np.zeros((3, 0, 0), np.uint8) if picture is None else np.asarray(picture)
        if pixels.ndim != 3 or len(pixels) != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"picture must be (3, h, w) in uint8, got {pixels.shape} in {pixels.dtype}")
        super().__init__(
            key=key,
            label=label,
            networks=checked,
            network=network,
            layer=layer,
            picture=pixels.transpose(1, 2, 0).tobytes(),
            picture_size=list(pixels.shape[1:]),
        )


def _network(given: Mapping[str, Any]) -> dict[str, Any]:
    if missing := set(NETWORK) - set(given):
        raise ValueError(f"a network misses {', '.join(sorted(missing))}: {dict(given)!r}")
    if given["towers"] not in (1, 2):
        raise ValueError(f"{given['name']}: towers must be 1 or 2, got {given['towers']}")
    layers = [_layer(layer) for layer in given["layers"]]
    names = [layer["name"] for layer in layers]
    if not 2 <= len(layers) <= MOST_LAYERS or len(set(names)) < len(names):
        raise ValueError(f"{given['name']}: need 2 to {MOST_LAYERS} layers with names of their own, got {names}")
    return {"name": given["name"], "note": given["note"], "towers": given["towers"], "layers": layers}


def _layer(given: Mapping[str, Any]) -> dict[str, Any]:
    if missing := set(LAYER) - set(given):
        raise ValueError(f"a layer misses {', '.join(sorted(missing))}: {dict(given)!r}")
    layer = {field: given[field] for field in LAYER}
    layer |= {field: [int(size) for size in given[field]] for field in ("shape", "weight", "window")}
    if len(layer["shape"]) not in (1, 3) or min(layer["shape"]) < 1:
        raise ValueError(f"{layer['name']}: shape must be (C, H, W) or (n,), all >= 1, got {layer['shape']}")
    counts = {field: layer[field] for field in ("parameters", "macs", "field", "crosses")}
    if min(counts.values()) < 0:
        raise ValueError(f"{layer['name']}: counts must be >= 0, got {counts}")
    return layer
