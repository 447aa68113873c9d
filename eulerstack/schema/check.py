"""The whole check of a document: structure, then what the parts say of each other, then realism."""

from typing import TYPE_CHECKING

from eulerstack.diagnostics import Diagnostic, Severity, in_text_order
from eulerstack.records import dataclass
from eulerstack.schema.compatibility import compatibility
from eulerstack.schema.parts import Parts, read_parts
from eulerstack.schema.realism import realism
from eulerstack.schema.spec import Spec

if TYPE_CHECKING:
    from eulerstack.dsl import Document


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, in text order; `spec` is None when there is an error among it, or in the document."""

    spec: Spec | None
    diagnostics: list[Diagnostic]


def check(document: "Document") -> Checked:
    """Check a resolved document against the language. Raises nothing for a wrong spec: see `Checked`."""
    parts, found = read_parts(document.root)
    diagnostics = in_text_order([*found, *compatibility(parts), *realism(parts)])
    sound = parts.whole and not any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    return Checked(_spec(document, parts) if sound else None, diagnostics)


def _spec(document: "Document", parts: Parts) -> Spec:
    model, tokenizer, embedding, head = parts.model, parts.tokenizer_contract, parts.embedding, parts.head
    if not (model and tokenizer and embedding and head):
        raise AssertionError("a required section could not be read, and no error says so")
    return Spec(
        document=document,
        root=parts.root,
        model=model,
        tokenizer_contract=tokenizer,
        embedding=embedding,
        layer_templates=parts.whole_templates,
        layer_schedule=parts.schedule,
        head=head,
        training_hints=parts.training_hints,
        compatibility=parts.compatibility,
        about=parts.about,
        execution_modes=[mode for _, mode in parts.modes] or None,
        transition=parts.transition,
        tissue=parts.tissue,
        reserved=parts.reserved,
    )
