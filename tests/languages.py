"""What tells that English is left in a text of another language."""

import re

_LITERAL = re.compile(r"```.*?```|`[^`]*`|\"[^\"\n]*\"|'[^'\n]*'|\$?\{[^{}\n]*\}|<[^<>\s]*>", re.DOTALL)
"""Code, quoted values and placeholders."""
_NAME = re.compile(r"Mixture[- ]of[- ](?:Depths|Experts)")
_WORDS = "the|is|are|was|were|have|and|of|with|which|must|its|this|that|than|does|each|where"
_FUNCTION_WORD = re.compile(rf"(?<![\w./=-])(?:{_WORDS})(?![\w./=-])", re.IGNORECASE)
_RUN = re.compile(r"(?<![\w./=-])[A-Za-z]?[a-z]+(?: [a-z]+){3,}(?![\w./=-])")


def english(text: str, lang: str) -> list[str]:
    """English in a text of `lang`: words that only bind others, and in languages of another script four words in a row.

    Code, quoted values and names do not count.
    """
    words = _NAME.sub("·", _LITERAL.sub("·", text))
    return _FUNCTION_WORD.findall(words) + ([] if lang == "es" else _RUN.findall(words))
