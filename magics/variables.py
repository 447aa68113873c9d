"""`{{ name }}` in a magic's line or cell: the notebook's variable. Nothing else expands, for YAML is full of braces."""

import re
from collections.abc import Mapping

from eulerstack.diagnostics import Source, Span, error
from eulerstack.diagnostics.suggest import nearest

_REFERENCE = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")


def expand(text: str, variables: Mapping[str, object], *, name: str, line_offset: int) -> str:
    """The text with every `{{ variable }}` replaced by its value as a string.

    Raises ValidationError, placed in the source called `name`, for a variable that does not exist.
    """
    source = Source(name, text, line_offset)

    def value(match: re.Match[str]) -> str:
        word = match.group(1)
        if word in variables:
            return str(variables[word])
        close = nearest(word, variables)
        params = {"name": word, "nearest": close}
        raise error("unknown-variable", span=_span(source, match), params=params, fix="fix_nearest" if close else "fix")

    return _REFERENCE.sub(value, text)


def _span(source: Source, match: re.Match[str]) -> Span:
    before = source.text[: match.start()]
    line = before.count("\n") + 1 + source.line_offset
    column = match.start() - before.rfind("\n")
    return Span(source, line, column, line, column + len(match.group()))
