"""Which language is spoken, and the look-up of texts.

Catalogues are JSON files `locales/<lang>/<domain>.json`, or `locales/<lang>/<domain>/*.json` merged; nested objects are
addressed by dots. A text that a language lacks falls back to English, then to its own id.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

LANGUAGES = ("ko", "en", "zh", "ja", "es")
DEFAULT = "ko"
VARIABLE = "EULERSTACK_LANG"

_chosen: str | None = None


def language() -> str:
    """The current language: the one chosen, else `EULERSTACK_LANG`, else Korean."""
    return _chosen or environment_language() or DEFAULT


def environment_language() -> str | None:
    """The language that the environment names, or None when it names none that exists."""
    value = os.environ.get(VARIABLE, "").strip().lower().replace("_", "-").split("-")[0].split(".")[0]
    return value if value in LANGUAGES else None


def choose(lang: str | None) -> None:
    """Speak `lang` from now on (None: as the environment says). Raises ValueError for an unknown language."""
    global _chosen
    if lang is not None and lang not in LANGUAGES:
        raise ValueError(f"{lang!r} is not one of {', '.join(LANGUAGES)}")
    _chosen = lang


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Speak `lang` inside a with block."""
    before = _chosen
    choose(lang)
    try:
        yield
    finally:
        choose(before)


def text(domain: str, key: str, /, **params: object) -> str:
    """The text `key` of `domain` in the current language, its `{placeholders}` filled from `params`."""
    template = template_of(domain, key)
    return template.format(**params) if params else template


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
        merged |= _flatten(json.loads(single.read_text("utf-8")))
    folder = root / domain
    if folder.is_dir():
        for part in sorted(folder.iterdir(), key=lambda p: p.name):
            if part.name.endswith(".json"):
                merged |= _flatten(json.loads(part.read_text("utf-8")))
    return merged


def _flatten(tree: dict, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
