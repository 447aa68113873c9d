"""Which language is spoken, and the look-up of texts.

Catalogues are JSON files `locales/<lang>/<domain>.json`, or `locales/<lang>/<domain>/*.json` merged; nested objects are
addressed by dots. A text that a language lacks falls back to English, then to its own id.
"""

import json
import os
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

LANGUAGES = ("ko", "en", "zh", "ja", "es")
DEFAULT = "ko"
VARIABLE = "EULERSTACK_LANG"

_chosen: str | None = None
_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)


def language() -> str:
    """The current language: that of the `speaking` block, else the one chosen, else `EULERSTACK_LANG`, else Korean."""
    return _spoken.get() or _chosen or environment_language() or DEFAULT


def environment_language() -> str | None:
    """The language that the environment names, or None when it names none that exists."""
    value = _environment().lower().replace("_", "-").split("-")[0].split(".")[0]
    return value if value in LANGUAGES else None


def unknown_environment_language() -> str | None:
    """What the environment says where that names no language that exists; None where it names one, or nothing."""
    return (_environment() or None) if environment_language() is None else None


def _environment() -> str:
    return os.environ.get(VARIABLE, "").strip()


def choose(lang: str | None) -> None:
    """Speak `lang` from now on (None: as the environment says). Raises ValueError for an unknown language."""
    global _chosen
    _chosen = _known(lang)


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Speak `lang` inside a with block, in this thread only. Raises ValueError for an unknown language."""
    token = _spoken.set(_known(lang))
    try:
        yield
    finally:
        _spoken.reset(token)


def _known(lang: str | None) -> str | None:
    if lang is not None and lang not in LANGUAGES:
        raise ValueError(f"{lang!r} is not one of {', '.join(LANGUAGES)}")
    return lang


def text(domain: str, key: str, /, **params: object) -> str:
    """The text `key` of `domain` in the current language, its `{placeholders}` filled from `params`.

    Braces that are meant are written twice. A placeholder without a value, or a text that is no template, stays as it
    stands: a message with a hole is better than a crash while reporting one.
    """
    template = template_of(domain, key)
    try:
        return _FILLER.vformat(template, (), params)
    except (ValueError, LookupError, AttributeError, TypeError):
        return template


class _Filler(string.Formatter):
    def get_value(self, key: int | str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        return kwargs.get(str(key), f"{{{key}}}")


_FILLER = _Filler()


def template_of(domain: str, key: str, lang: str | None = None) -> str:
    """The unfilled text, falling back from the language to English to the id itself."""
    for candidate in (lang or language(), "en"):
        found = catalogue(candidate, domain).get(key)
        if found is not None:
            return found
    return key


def has(domain: str, key: str) -> bool:
    """Whether English, the complete catalogue, has this text."""
    return key in catalogue("en", domain)


@cache
def catalogue(lang: str, domain: str) -> dict[str, str]:
    """All texts of a domain in one language, flattened to dotted ids. Empty when there is no such catalogue."""
    root = files("eulerstack.locales") / lang
    merged: dict[str, str] = {}
    single = root / f"{domain}.json"
    if single.is_file():
        merged |= read(single.read_text("utf-8"))
    folder = root / domain
    if folder.is_dir():
        for part in sorted(folder.iterdir(), key=lambda p: p.name):
            if part.name.endswith(".json"):
                merged |= read(part.read_text("utf-8"))
    return merged


def read(content: str) -> dict[str, str]:
    """The texts of one catalogue file, by their dotted ids."""
    return _flatten(json.loads(content))


def _flatten(tree: dict, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
