"""Layer 1: YAML text → located tree; `extends`, `let` and `${ … }`."""

from eulerstack.dsl.document import Document, examine, resolve
from eulerstack.dsl.inherit import Lookup, relative_lookup
from eulerstack.dsl.parser import parse
from eulerstack.dsl.reader import YAML_SUFFIXES, decode, read_file
from eulerstack.dsl.tree import Entry, Mapping, Node, Path, Scalar, Sequence, dotted, find, locate, refused_places

__all__ = [
    "YAML_SUFFIXES",
    "Document",
    "Entry",
    "Lookup",
    "Mapping",
    "Node",
    "Path",
    "Scalar",
    "Sequence",
    "decode",
    "dotted",
    "examine",
    "find",
    "locate",
    "parse",
    "read_file",
    "refused_places",
    "relative_lookup",
    "resolve",
]
