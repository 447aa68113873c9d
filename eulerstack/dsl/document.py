"""The whole front: text → parsed, inherited, computed tree."""

from eulerstack.diagnostics import Diagnostic, Source, collect, in_text_order
from eulerstack.dsl.bindings import Bindings
from eulerstack.dsl.inherit import Lookup, inherit, relative_lookup, without
from eulerstack.dsl.parser import examine_text
from eulerstack.dsl.tree import Mapping
from eulerstack.records import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """A spec as it is meant.

    In `root` everything that `extends` names is merged, `let` is gone and every `${ … }` is a number; `authored` is
    the text's own tree.
    """

    source: Source
    root: Mapping
    authored: Mapping


def resolve(source: Source, lookup: Lookup = relative_lookup) -> Document:
    """The document of a text. Raises EulerStackError with everything that is wrong up to here."""
    document, diagnostics = examine(source, lookup)
    if document is None or diagnostics:
        raise collect(diagnostics)
    return document


def examine(source: Source, lookup: Lookup = relative_lookup) -> tuple[Document | None, list[Diagnostic]]:
    """The document as far as there is one, and everything that is wrong up to here, in the order of the text.

    With a document and diagnostics, later layers can go on and find what else is wrong; a scalar that was reported
    has the value None.
    """
    authored, diagnostics = examine_text(source)
    if authored is None:
        return None, in_text_order(diagnostics)
    merged, found = inherit(source, authored, lookup)
    diagnostics += found
    if merged is None:
        return None, in_text_order(diagnostics)
    bindings = Bindings()
    if (let := merged.get("let")) is not None:
        bindings.define(let)
    root = bindings.substitute(without(merged, "let"))
    diagnostics += bindings.diagnostics
    return Document(source, root, authored), in_text_order(diagnostics)
