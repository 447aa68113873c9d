"""Every diagnostic there is: its category, its severity and the command that tells more.

The words stand in `locales/<lang>/diagnostics/*.json` under the same code, as `what` and `fix` (a code may have several
fixes, `fix_<variant>`). A test holds catalogue and locales equal.
"""

from dataclasses import dataclass
from typing import Literal

VALIDATION = "ValidationError"
COMPATIBILITY = "CompatibilityError"
NORMALIZATION = "NormalizationError"
COMPILE = "CompileError"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of the catalogue. `call`: the call is wrong rather than the spec, which is exit code 2 rather than 1."""

    category: str
    severity: Literal["Error", "Warning", "Info"] = "Error"
    see: str = "eulerstack schema"
    call: bool = False


CATALOGUE: dict[str, Entry] = {
    # dsl: the text itself
    "file-missing": Entry(VALIDATION, see="eulerstack validate --help", call=True),
    "file-directory": Entry(VALIDATION, see="eulerstack validate --help", call=True),
    "file-unreadable": Entry(VALIDATION, see="eulerstack validate --help", call=True),
    "file-special": Entry(VALIDATION, see="eulerstack validate --help", call=True),
    "text-too-large": Entry(VALIDATION),
    "not-utf8": Entry(VALIDATION),
    "binary": Entry(VALIDATION),
    "control-character": Entry(VALIDATION),
    "yaml-syntax": Entry(VALIDATION),
    "yaml-tab": Entry(VALIDATION),
    "yaml-colon": Entry(VALIDATION),
    "yaml-missing-colon": Entry(VALIDATION),
    "yaml-character": Entry(VALIDATION),
    "yaml-bracket": Entry(VALIDATION),
    "yaml-value": Entry(VALIDATION),
    "yaml-quote": Entry(VALIDATION),
    "yaml-indent": Entry(VALIDATION),
    "yaml-escape": Entry(VALIDATION),
    "unknown-alias": Entry(VALIDATION),
    "recursive-alias": Entry(VALIDATION),
    "alias-bomb": Entry(VALIDATION),
    "too-many-nodes": Entry(VALIDATION),
    "too-deep": Entry(VALIDATION),
    "duplicate-key": Entry(VALIDATION),
    "merge-key": Entry(VALIDATION, see="eulerstack schema extends"),
    "custom-tag": Entry(VALIDATION),
    "tag-mismatch": Entry(VALIDATION),
    "key-not-string": Entry(VALIDATION),
    "several-documents": Entry(VALIDATION),
    "empty-document": Entry(VALIDATION, see="eulerstack presets list"),
    "root-not-mapping": Entry(VALIDATION),
    "leading-zero": Entry(VALIDATION),
    "not-finite": Entry(VALIDATION),
    "number-out-of-range": Entry(VALIDATION),
    "number-too-long": Entry(VALIDATION),
    "scalar-too-long": Entry(VALIDATION),
    "let-not-mapping": Entry(VALIDATION, see="eulerstack schema let"),
    "let-name": Entry(VALIDATION, see="eulerstack schema let"),
    "let-value": Entry(VALIDATION, see="eulerstack schema let"),
    "let-cycle": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-not-whole": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-empty": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-syntax": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-incomplete": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-parenthesis": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-bare-name": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-unknown-name": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-division-by-zero": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-too-large": Entry(NORMALIZATION, see="eulerstack schema let"),
    "expression-too-long": Entry(NORMALIZATION, see="eulerstack schema let"),
    "extends-value": Entry(VALIDATION, see="eulerstack schema extends"),
    "extends-missing": Entry(NORMALIZATION, see="eulerstack schema extends"),
    "extends-cycle": Entry(NORMALIZATION, see="eulerstack schema extends"),
    "extends-too-long": Entry(NORMALIZATION, see="eulerstack schema extends"),
    # schema: structure
    # schema: compatibility
    # schema: one mixer or ffn in itself
    "heads-not-grouped": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "heads-not-dividing": Entry(COMPATIBILITY, see="eulerstack schema mixer"),
    "attention-heads-not-dividing": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "head-dim-odd": Entry(COMPATIBILITY, see="eulerstack schema mixer"),
    "rope-dim-odd": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "rope-without-positions": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "rope-theta-unused": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "window-mode-without-window": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "dilation-without-dilated": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "compression-window-mode": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "latent-twice": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "mla-with-kv-heads": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "mla-excludes": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "mla-rope-dim-unused": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention"),
    "compression-needs": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention.compression"),
    "compression-forbids": Entry(COMPATIBILITY, see="eulerstack schema mixer.attention.compression"),
    "retnet-head-odd": Entry(COMPATIBILITY, see="eulerstack schema mixer.retnet"),
    "mamba-key-of-other-variant": Entry(COMPATIBILITY, see="eulerstack schema mixer.mamba"),
    "mamba-heads-not-dividing": Entry(COMPATIBILITY, see="eulerstack schema mixer.mamba"),
    "mamba-groups-not-dividing": Entry(COMPATIBILITY, see="eulerstack schema mixer.mamba"),
    "hyena-order-too-small": Entry(VALIDATION, see="eulerstack schema mixer.hyena"),
    "ttt-hidden-unused": Entry(COMPATIBILITY, see="eulerstack schema mixer.ttt"),
    "mixer-of-other-type": Entry(VALIDATION, see="eulerstack schema mixer"),
    "branches-too-few": Entry(VALIDATION, see="eulerstack schema mixer.branched"),
    "branch-name": Entry(VALIDATION, see="eulerstack schema mixer.branched"),
    "selector-top-k-unused": Entry(COMPATIBILITY, see="eulerstack schema mixer.branched"),
    "top-k-above-branches": Entry(COMPATIBILITY, see="eulerstack schema mixer.branched"),
    "moe-missing": Entry(VALIDATION, see="eulerstack schema ffn"),
    "moe-elsewhere": Entry(VALIDATION, see="eulerstack schema ffn"),
    "ffn-none-with-keys": Entry(COMPATIBILITY, see="eulerstack schema ffn"),
    "top-k-above-experts": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "router-against-affinity": Entry(COMPATIBILITY, "Warning", see="eulerstack schema ffn.moe"),
    "d-shared-unused": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "hash-salt-missing": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "hash-salt-unused": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "hash-with-bias-correction": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "experts-not-grouped": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "group-limit-above-groups": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "top-k-above-groups": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    "groups-without-limit": Entry(COMPATIBILITY, see="eulerstack schema ffn.moe"),
    # schema and ir: realism
    # ir: resolution and expansion
    "not-whole": Entry(NORMALIZATION, see="eulerstack schema model"),
    "too-many-layers": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "width-not-restored": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "kv-from-before-first": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "kv-from-no-attention": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "kv-from-unlike": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "kv-from-narrower": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "share-across-bodies": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    "share-unlike": Entry(NORMALIZATION, see="eulerstack schema layer_schedule"),
    # compiler
    # interop: the import of a model directory
    "import-no-directory": Entry(VALIDATION, see="eulerstack import --help", call=True),
    "import-no-config": Entry(VALIDATION, see="eulerstack import --help", call=True),
    "import-unreadable": Entry(VALIDATION, see="eulerstack import --help"),
    "import-unknown-family": Entry(COMPILE, see="eulerstack import --help"),
    "import-foreign-code": Entry(COMPILE, see="eulerstack import --help"),
    "import-foreign-head": Entry(COMPILE, see="eulerstack import --help"),
    "import-unknown-key": Entry(COMPILE, see="eulerstack import --help"),
    "import-value-type": Entry(COMPILE, see="eulerstack import --help"),
    "import-unsupported-value": Entry(COMPATIBILITY, see="eulerstack import --help"),
    "import-no-weights": Entry(COMPILE, see="eulerstack import --help"),
    "import-pickled-weights": Entry(COMPILE, see="eulerstack import --help"),
    "import-broken-weights": Entry(COMPILE, see="eulerstack import --help"),
    "import-missing-tensor": Entry(COMPILE, see="eulerstack import --help"),
    "import-unexpected-tensor": Entry(COMPILE, see="eulerstack import --help"),
    "import-tensor-shape": Entry(COMPILE, see="eulerstack import --help"),
    "import-tensor-type": Entry(COMPILE, see="eulerstack import --help"),
    "import-untied": Entry(COMPILE, severity="Warning", see="eulerstack import --help"),
    # cli: the call
    "unknown-command": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-option": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-choice": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-language": Entry(VALIDATION, see="eulerstack --help", call=True),
    "surplus-argument": Entry(VALIDATION, see="eulerstack --help", call=True),
    "bad-call": Entry(VALIDATION, see="eulerstack --help", call=True),
    "bad-seed": Entry(VALIDATION, see="eulerstack --help", call=True),
    "two-specs": Entry(VALIDATION, see="eulerstack --help", call=True),
    "no-spec": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-output": Entry(VALIDATION, see="eulerstack --help", call=True),
    "file-exists": Entry(VALIDATION, see="eulerstack --help", call=True),
    "cannot-write": Entry(VALIDATION, see="eulerstack --help", call=True),
    "not-a-name": Entry(VALIDATION, see="eulerstack --help", call=True),
    "cell-empty": Entry(VALIDATION, see="eulerstack --help", call=True),
    "open-quote": Entry(VALIDATION, see="eulerstack --help", call=True),
    "no-layout-engine": Entry(COMPILE, see="eulerstack draw --help", call=True),
    "unknown-variable": Entry(VALIDATION, see="eulerstack --help", call=True),
    "unknown-preset": Entry(VALIDATION, see="eulerstack presets list", call=True),
}
