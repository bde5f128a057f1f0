import re

import pytest

from companion.theme import PALETTE, SURFACE, css


def luminance(color: str) -> float:
    """Relative luminance of '#rrggbb' as WCAG 2.2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", PALETTE)
def test_every_colour_stands_out_from_page_and_panel(name, mode):
    for surface in ("page", "panel"):
        assert contrast(getattr(PALETTE[name], mode), getattr(SURFACE[surface], mode)) >= 4.5


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "muted"])
def test_text_is_readable(name, mode):
    for surface in ("page", "panel"):
        assert contrast(getattr(SURFACE[name], mode), getattr(SURFACE[surface], mode)) >= 4.5


def simulate(color: str, matrix: list[list[float]]) -> tuple[float, ...]:
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return tuple(sum(row[k] * rgb[k] for k in range(3)) for row in matrix)


# Machado, Oliveira & Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1.0.
DEFICIENCIES = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_the_two_class_colours_differ_for_every_kind_of_colour_vision(kind, mode):
    blue, orange = (simulate(getattr(PALETTE[name], mode), DEFICIENCIES[kind]) for name in ("blue", "orange"))
    assert sum((a - b) ** 2 for a, b in zip(blue, orange, strict=True)) ** 0.5 > 100


def test_the_style_sheet_holds_every_colour_twice():
    light, dark = css().split("\n")[:2]
    for name, shade in {**PALETTE, **SURFACE}.items():
        assert f"--bk-{name}:{shade.light};" in light
        assert f"--bk-{name}:{shade.dark};" in dark
    assert re.match(r":root\{", light)
    assert 'html[data-theme="dark"]' in dark
