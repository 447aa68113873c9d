"""How much memory training takes on one device: weights, gradients, optimizer, activations."""

from fnmatch import fnmatchcase

from eulerstack.ir.activations import Activations, activations
from eulerstack.ir.caches import ELEMENT_BYTES
from eulerstack.ir.nodes import Model
from eulerstack.ir.parameters import parameter_table
from eulerstack.ir.precision import is_constant
from eulerstack.ir.workload import Optimizer, Workload
from eulerstack.records import dataclass
from eulerstack.schema.base import Parameter
from eulerstack.schema.saved import together
from eulerstack.schema.work import Call

INTEGER_BYTES = 8

ROUTERS = (".router.", ".depth.", ".selector.")
TABLES = ("embed_tokens.", "embed_positions.", "lm_head.")
"""What stands in the names of matrices that stay AdamW's."""

READ_OUT = 2**23
"""How many logits the loss holds at a time at least (`runtime/readout.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMemory:
    """Bytes on one device.

    Exact: `weights` (buffers among them), `gradients`, and `optimizer`, the state of torch's own AdamW (two moments in
    the weights' dtype) or Muon (one). Estimated: `activations`, what the forward pass keeps (under checkpointing the
    streams that enter the layers, and one layer anew), and `logits` while the loss is taken of them: in the model's
    dtype, widened, their log-probabilities and their gradient, or with `skip_logits` a few rows of them at a time.
    Not counted: what kernels use for a moment, and the allocator's fragments.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def training_memory(model: Model, load: Workload) -> TrainingMemory:
    """The memory of training under a workload."""
    element, table = ELEMENT_BYTES[load.dtype], parameter_table(model)
    trained = [parameter for parameter in table if not parameter.buffer]
    kept = activations(model, Call(batch=load.batch, tokens=load.seq, training=True))
    return TrainingMemory(
        weights=sum(tensor_bytes(parameter, element) for parameter in table),
        gradients=sum(tensor_bytes(parameter, element) for parameter in trained),
        optimizer=sum(moments(model, p, load.optimizer) * tensor_bytes(p, element) for p in trained),
        activations=kept_bytes(kept, load.checkpointing, element),
        logits=logit_bytes(model, load, element),
    )


def kept_bytes(kept: Activations, checkpointing: bool, element_bytes: int) -> int:
    """What stands in memory when the backward pass begins, and while it computes its largest layer anew."""
    layers = [kept.inputs, kept.largest] if checkpointing else [*kept.entries, kept.ahead]
    return together([*layers, kept.around, kept.head]).size(element_bytes)


def logit_bytes(model: Model, load: Workload, element_bytes: int) -> int:
    """The logits and what the loss makes of them."""
    rows, vocabulary = load.batch * load.seq, model.vocab_size
    if load.skip_logits:
        rows = min(rows, max(READ_OUT, rows * model.embedding.d_embed) // vocabulary + 1)
        return rows * vocabulary * (2 * 4 + (element_bytes if element_bytes < 4 else 0))
    return rows * vocabulary * (element_bytes + 2 * 4 + (4 if element_bytes < 4 else 0))


def tensor_bytes(parameter: Parameter, element_bytes: int) -> int:
    """Bytes of one tensor in a model whose numbers take `element_bytes`."""
    if parameter.integer:
        return INTEGER_BYTES * parameter.count
    return (4 if parameter.fp32 else element_bytes) * parameter.count


def moments(model: Model, parameter: Parameter, optimizer: Optimizer) -> int:
    """How many numbers the optimizer keeps for each of a parameter: AdamW two, Muon one."""
    return 1 if takes_muon(model, parameter, optimizer) else 2


def takes_muon(model: Model, parameter: Parameter, optimizer: Optimizer) -> bool:
    """Whether Muon trains it, as the runtime's `parameter_groups` decide: every matrix but tables, readouts,
    constants and stacks of vectors, under hybrid routers neither. Globs of `optimizer_groups` go before that, muon's
    first.
    """
    if optimizer == "adamw" or len(parameter.shape) < 2 or is_constant(parameter):
        return False
    globs = model.training_hints.get("optimizer_groups") or {}
    for name in ("muon", "adamw"):
        if any(fnmatchcase(parameter.name, glob) for glob in globs.get(name, ())):
            return name == "muon"
    table = parameter.name.removeprefix("model.").startswith(TABLES)
    vectors = min(parameter.shape[-2:]) == 1
    router = optimizer == "hybrid" and any(mark in parameter.name for mark in ROUTERS)
    return not table and not vectors and not router
