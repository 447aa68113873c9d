"""Layer 3: the canonical model. Lowered from a checked spec, counted, folded, printed back."""

from eulerstack.ir.fold import Run, fold, unfold
from eulerstack.ir.laws import InitPolicy, laws
from eulerstack.ir.lower import lower
from eulerstack.ir.modules import Numbered, number_modules, plain_layers
from eulerstack.ir.nodes import Block, Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.parameters import layer_parameters, parameter_table, root_parameters
from eulerstack.ir.print import print_yaml, to_plain
from eulerstack.ir.totals import Totals, count

__all__ = [
    "Block",
    "InitPolicy",
    "Integrator",
    "Layer",
    "Model",
    "Node",
    "Numbered",
    "Parallel",
    "Run",
    "Totals",
    "count",
    "fold",
    "laws",
    "layer_parameters",
    "lower",
    "number_modules",
    "parameter_table",
    "plain_layers",
    "print_yaml",
    "root_parameters",
    "to_plain",
    "unfold",
]
