"""The summary of a model: a table of its layers, as text and as HTML."""

from html import escape

from torch import nn

from companion.analysis.cost import LayerCost, count_parameters, layer_costs

_HEAD = ("layer", "kind", "output", "parameters", "share", "MACs", "share")


class Summary:
    """Layers of a model with their output, parameters and multiply-accumulates; prints as text, shows as HTML.

    Attributes:
        rows: one `LayerCost` per use of a layer.
        parameters, trainable: all numbers that the model holds as parameters, and those that learn.
        multiply_accumulates: products for one example.
    """

    def __init__(self, name: str, input_size: tuple[int, ...], rows: list[LayerCost], trainable: int) -> None:
        self.name, self.input_size, self.rows, self.trainable = name, input_size, rows, trainable
        self.parameters = sum(row.parameters for row in rows)
        self.multiply_accumulates = sum(row.multiply_accumulates for row in rows)

    def share(self, row: LayerCost) -> tuple[float, float]:
        """Return the row's part, 0 to 1, of all parameters and of all multiply-accumulates."""
        return (
            row.parameters / max(1, self.parameters),
            row.multiply_accumulates / max(1, self.multiply_accumulates),
        )

    def _title(self) -> str:
        return f"{self.name} for one input of {_shape(self.input_size)}"

    def _cells(self, row: LayerCost) -> tuple[str, ...]:
        of_parameters, of_macs = self.share(row)
        shared = row.shared and not row.parameters
        return (
            row.name or "(itself)",
            row.kind,
            _shape(row.output_shape),
            "as above" if shared else _count(row.parameters),
            _percent(of_parameters) if row.parameters else "",
            _count(row.multiply_accumulates),
            _percent(of_macs) if row.multiply_accumulates else "",
        )

    def _total(self) -> tuple[str, ...]:
        return ("total", "", "", f"{self.parameters:,}", "", f"{self.multiply_accumulates:,}", "")

    def _frozen(self) -> str:
        frozen = self.parameters - self.trainable
        return f"{frozen:,} of the parameters are frozen." if frozen else ""

    def __str__(self) -> str:
        lines = [_HEAD, *map(self._cells, self.rows), self._total()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

        def line(cells: tuple[str, ...]) -> str:
            left = [cell.ljust(width) for cell, width in zip(cells[:3], widths, strict=False)]
            right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
            return "  ".join(left + right).rstrip()

        rule = "─" * max(len(line(cells)) for cells in lines)
        head, *body, total = map(line, lines)
        return "\n".join(filter(None, [self._title(), head, rule, *body, rule, total, self._frozen()]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str = "td", fills: tuple[float, float] = (0, 0), weight: str = "") -> str:
            made = []
            for i, cell in enumerate(cells):
                style = f"padding:.15em .6em;white-space:nowrap;text-align:{'left' if i < 3 else 'right'}{weight}"
                if i in (4, 6):
                    style += ";min-width:4.5em" + (f";{_bar(fills[i // 6])}" if cell and tag == "td" else "")
                made.append(f'<{tag} style="{style};font-variant-numeric:tabular-nums">{escape(cell)}</{tag}>')
            return f"<tr>{''.join(made)}</tr>"

        body = "".join(row(self._cells(cost), fills=self.share(cost)) for cost in self.rows)
        note = f"<p>{escape(self._frozen())}</p>" if self._frozen() else ""
        return (
            '<div class="bk-summary" style="overflow-x:auto" tabindex="0" role="region" '
            f'aria-label="{escape(self._title(), quote=True)}">'
            '<table style="background:none;color:inherit;border-collapse:collapse">'
            f'<caption style="text-align:left;caption-side:top;color:inherit">{escape(self._title())}</caption>'
            f"<thead>{row(_HEAD, 'th')}</thead><tbody>{body}</tbody>"
            f"<tfoot>{row(self._total(), weight=';font-weight:600')}</tfoot></table>{note}</div>"
        )


def summary(model: nn.Module, input_size: tuple[int, ...], *, depth: int | None = None) -> Summary:
    """Return a table of the model's layers: output, parameters, multiply-accumulates and their shares.

    The model runs once on zeros, in evaluation mode, and is left as it was. A layer used twice has two rows; its
    parameters count once.

    Args:
        model: any module with one tensor as input.
        input_size: shape of one example, without the batch: (C, H, W) for an image.
        depth: fold what lies deeper than this many levels into one row.

    Raises:
        ValueError: if a size is not positive, depth is negative, or the model is lazy and has not run yet.

    Example:
        >>> print(summary(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (1, 5, 5)))
        Sequential for one input of 1 × 5 × 5
        layer  kind    output     parameters    share  MACs    share
        ────────────────────────────────────────────────────────────
        0      Conv2d  4 × 3 × 3          40  100.0 %   324  100.0 %
        1      ReLU    4 × 3 × 3
        ────────────────────────────────────────────────────────────
        total                             40            324
    """
    rows = layer_costs(model, input_size, depth=depth)
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    made = Summary(type(model).__name__, input_size, rows, trainable)
    assert made.parameters == count_parameters(model)  # every parameter has its row
    return made


def _shape(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _percent(part: float) -> str:
    return f"{part:.1%}".replace("%", " %")


def _bar(part: float) -> str:
    """Return the style of a cell that is filled from the left to its share, lightly, in the colour of the text."""
    ink = "color-mix(in srgb, var(--bk-blue, #4a90d9) 28%, transparent)"
    return f"background:linear-gradient(to right,{ink} {part:.1%},transparent {part:.1%})"
