"""What can be measured of a model: its size and cost, what its outputs see, its signals and its gradients.

`geometry` has the sizes and reach of windows, `field` the reach of a real model by its gradient, `cost` parameters,
multiply-accumulates and memory, `table` the summary of a model, `signals` activations and gradients.
"""

from companion.analysis.cost import (
    LayerCost,
    Memory,
    activation_memory,
    count_parameters,
    layer_costs,
    multiply_accumulates,
)
from companion.analysis.field import Box, effective_receptive_field, measured_receptive_field
from companion.analysis.geometry import (
    Field,
    Window,
    conv_output_size,
    conv_transpose_output_size,
    receptive_field,
    receptive_field_of,
    windows_of,
)
from companion.analysis.signals import activation_std, finite_difference_check, gradient_norms
from companion.analysis.table import Summary, summary

__all__ = [
    "Box",
    "Field",
    "LayerCost",
    "Memory",
    "Summary",
    "Window",
    "activation_memory",
    "activation_std",
    "conv_output_size",
    "conv_transpose_output_size",
    "count_parameters",
    "effective_receptive_field",
    "finite_difference_check",
    "gradient_norms",
    "layer_costs",
    "measured_receptive_field",
    "multiply_accumulates",
    "receptive_field",
    "receptive_field_of",
    "summary",
    "windows_of",
]
