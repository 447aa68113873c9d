"""The tokenizer that is saved beside the model: built here (`byte`), or a published one (`hf`).

Where a published tokenizer cannot be had in a few seconds, the model directory is written without one and says so.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eulerstack.diagnostics import Diagnostic, error

Mode = Literal["auto", "skip", "require"]
"""auto: a warning if there is none; skip: no tokenizer; require: an error if there is none."""

HUB_SECONDS = 6.0
"""How long the hub may take in all: look-ups, retries and download."""

LOCAL_SECONDS = 60.0
"""How long the whole child process may take: it loads transformers on what may be a slow disk."""

BYTES = 256


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """The ids that generation and padding need; None where the tokenizer has no such token, or is not known.

    An imported model may end at any of several tokens. `transition` ends a phase (`transition.token` of the spec).
    """

    bos: int | None = None
    eos: int | list[int] | None = None
    pad: int | None = None
    transition: int | None = None


@dataclass(frozen=True, slots=True)
class SavedTokenizer:
    """What came of it: whether there is a tokenizer, its special ids, and the warning that tells why there is none."""

    exists: bool
    ids: SpecialIds = SpecialIds()
    warnings: tuple[Diagnostic, ...] = ()


def save_tokenizer(
    contract: dict[str, Any],
    directory: Path,
    *,
    vocab_size: int,
    max_length: int,
    mode: Mode = "auto",
    transition: str | None = None,
) -> SavedTokenizer:
    """Write the tokenizer that the contract names into `directory`, with `transition` among its special tokens.

    Raises CompileError if it does not fit the vocabulary (`byte`), or is missing or does not fit under `require`.
    """
    if mode == "skip":
        return SavedTokenizer(exists=False)
    if contract["type"] == "byte":
        return SavedTokenizer(exists=True, ids=_save_byte(contract, directory, vocab_size, max_length, transition))
    return _save_published(contract, directory, vocab_size, max_length, mode, transition)


def byte_alphabet() -> dict[str, int]:
    """The printable character that stands for each byte in byte-level tokenizers (GPT-2's table), and the byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(BYTES) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable} | {byte: chr(BYTES + i) for i, byte in enumerate(others)}
    return {characters[byte]: byte for byte in range(BYTES)}


def _save_byte(
    contract: dict[str, Any], directory: Path, vocab_size: int, max_length: int, transition: str | None
) -> SpecialIds:
    """Ids 0–255 are the bytes of the text in UTF-8; then pad 256, bos 257, eos 258, and a transition token if there is
    one. Every text survives the round trip.

    `pad_token` renames pad, or names the one of `<bos>`, `<eos>` that pads instead.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    bos, eos = "<bos>", "<eos>"
    asked = contract.get("pad_token") or "<pad>"
    specials = ["<pad>" if asked in (bos, eos) else asked, bos, eos]
    if transition is not None and transition not in specials:
        specials.append(transition)
    if vocab_size < BYTES + len(specials):
        raise error("byte-vocabulary", params={"vocab_size": vocab_size, "needed": BYTES + len(specials)})
    tokenizer = Tokenizer(models.BPE(vocab=byte_alphabet(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    add_bos = contract.get("add_bos", True)
    first, second = (f"{bos}:0 ", f" {bos}:1") if add_bos else ("", "")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first}$A:0",
        pair=f"{first}$A:0{second} $B:1",
        special_tokens=[(bos, specials.index(bos) + BYTES)] if add_bos else [],
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "add_bos_token": add_bos,
        "add_eos_token": False,
        "backend": "tokenizers",
        "bos_token": bos,
        "clean_up_tokenization_spaces": False,
        "eos_token": eos,
        "model_max_length": max_length,
        "pad_token": asked,
        "tokenizer_class": "TokenizersBackend",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    return SpecialIds(
        bos=tokenizer.token_to_id(bos),
        eos=tokenizer.token_to_id(eos),
        pad=tokenizer.token_to_id(asked),
        transition=None if transition is None else tokenizer.token_to_id(transition),
    )


def _save_published(
    contract: dict[str, Any], directory: Path, vocab_size: int, max_length: int, mode: Mode, transition: str | None
) -> SavedTokenizer:
    """Fetch in a child process; keep the files only if every id they can give is below `vocab_size`."""
    name = contract["pretrained"]
    staging = directory / ".tokenizer"
    staging.mkdir()
    try:
        answer = _fetch(contract, staging, max_length, transition)
        if "reason" in answer:
            return _without("tokenizer-unavailable", mode, fix=answer["reason"], name=name, detail=answer["detail"])
        if answer["size"] > vocab_size:
            return _without("tokenizer-too-large", mode, name=name, size=answer["size"], vocab_size=vocab_size)
        for path in sorted(staging.iterdir()):
            path.rename(directory / path.name)
        return SavedTokenizer(exists=True, ids=SpecialIds(*(answer[n] for n in ("bos", "eos", "pad", "transition"))))
    finally:
        shutil.rmtree(staging)


def _fetch(contract: dict[str, Any], staging: Path, max_length: int, transition: str | None) -> dict[str, Any]:
    request = {
        "name": contract["pretrained"],
        "directory": str(staging),
        "add_bos": contract.get("add_bos", True),
        "pad_token": contract.get("pad_token"),
        "transition": transition,
        "max_length": max_length,
        "hub_seconds": HUB_SECONDS,
    }
    command = [sys.executable, "-P", str(Path(__file__).with_name("fetch_tokenizer.py")), json.dumps(request)]
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
    try:
        child = subprocess.run(
            command, env=os.environ | quiet, capture_output=True, timeout=LOCAL_SECONDS, stdin=subprocess.DEVNULL
        )
        return json.loads(child.stdout)
    except subprocess.TimeoutExpired:
        return {"reason": "timeout", "detail": f"{LOCAL_SECONDS:g} s"}
    except ValueError:
        last = child.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return {"reason": "broken", "detail": "".join(last).partition(":")[0][:200]}  # the exception's name


def _without(code: str, mode: Mode, *, fix: str = "", **params: object) -> SavedTokenizer:
    """No tokenizer: an error if one is required, else a warning."""
    variant = f"fix_{fix}" if fix else "fix"
    if mode == "require":
        raise error(f"{code}-required", params=params, fix=variant)
    return SavedTokenizer(exists=False, warnings=(Diagnostic(code=code, params=params, fix=variant),))
