"""Get a published tokenizer and save it, as a process of its own: `python -P fetch_tokenizer.py '<request as JSON>'`.

A process can be ended; a thread that hangs in a name look-up cannot. The cache is asked first. If it has no tokenizer
of that name, the hub is, for `hub_seconds` in all: then the process ends itself, whatever it waits for. The request:
`{"name", "directory", "add_bos", "pad_token", "transition", "max_length", "hub_seconds"}`. The answer is one line of
JSON on stdout: `{"size", "bos", "eos", "pad", "transition"}`, or `{"reason": offline | timeout | absent | broken,
"detail"}`.

It imports nothing of EulerStack, so that it runs from its path alone.
"""

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

FILES = (
    "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template*",
    "*.model", "*.tiktoken", "config.json",
)  # fmt: skip
LOADING_NOTES = ("is_local", "local_files_only", "name_or_path")
"""What transformers records about where a tokenizer came from: nothing that a saved one should say."""


class UnavailableError(Exception):
    """No tokenizer, and why. Of an exception only its name is told: what it says is English."""

    def __init__(self, reason: str, detail: str | Exception):
        super().__init__(reason)
        self.reason = reason
        self.detail = type(detail).__name__ if isinstance(detail, Exception) else detail


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            tokenizer = find(request["name"], request["hub_seconds"])
            prepare(tokenizer, request["add_bos"], request["pad_token"])
            transition = add_transition(tokenizer, request["transition"])
            tokenizer.model_max_length = request["max_length"]
            save(tokenizer, Path(request["directory"]), request["add_bos"])
    except UnavailableError as missing:
        return {"reason": missing.reason, "detail": missing.detail}
    return {
        "size": len(tokenizer),
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "transition": transition,
    }


def find(name: str, hub_seconds: float) -> Any:
    """The tokenizer from a local directory, from the cache, or from the hub; raises UnavailableError."""
    if os.path.isdir(name):
        return load(name)
    with contextlib.suppress(UnavailableError):
        return load(snapshot(name, local_files_only=True))
    if any(
        os.environ.get(key, "").upper() in {"1", "ON", "YES", "TRUE"}
        for key in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        raise UnavailableError("offline", "HF_HUB_OFFLINE")
    watchdog = threading.Timer(hub_seconds, give_up, [hub_seconds])
    watchdog.daemon = True
    watchdog.start()
    folder = snapshot(name, local_files_only=False)
    watchdog.cancel()
    return load(folder)


def give_up(seconds: float) -> None:
    """End this process at once, answering that the hub took too long."""
    os.write(1, json.dumps({"reason": "timeout", "detail": f"{seconds:g} s"}).encode())
    os._exit(0)


def snapshot(name: str, *, local_files_only: bool) -> str:
    """The folder that holds the tokenizer's files."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        return snapshot_download(name, allow_patterns=list(FILES), local_files_only=local_files_only)
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as error:
        raise UnavailableError("absent", error) from error
    except Exception as error:
        raise UnavailableError("offline", error) from error


def load(folder: str) -> Any:
    """The tokenizer in a folder, without running any code from it."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UnavailableError("broken", error) from error


def prepare(tokenizer: Any, add_bos: bool, pad_token: str | None) -> None:
    """Make it begin texts with bos, or not, never end them with eos, and pad with `pad_token` if one is asked for."""
    if pad_token is not None:
        tokenizer.add_special_tokens({"pad_token": pad_token})
    probe = tokenizer("a").input_ids
    begins = tokenizer.bos_token_id is not None and probe[:1] == [tokenizer.bos_token_id]
    ends = tokenizer.eos_token_id is not None and probe[-1:] == [tokenizer.eos_token_id]
    wanted = add_bos and tokenizer.bos_token_id is not None
    if begins != wanted or ends:
        tokenizer.add_bos_token = wanted
        tokenizer.add_eos_token = False


def add_transition(tokenizer: Any, token: str | None) -> int | None:
    """The id of the token that ends a phase, which becomes a special token if it is not in the vocabulary."""
    if token is None:
        return None
    if token not in tokenizer.get_vocab():
        tokenizer.add_tokens([token], special_tokens=True)
    return tokenizer.convert_tokens_to_ids(token)


def save(tokenizer: Any, directory: Path, add_bos: bool) -> None:
    """Write the tokenizer's files, and leave out where they came from."""
    tokenizer.save_pretrained(directory)
    path = directory / "tokenizer_config.json"
    config = {key: value for key, value in json.loads(path.read_text("utf-8")).items() if key not in LOADING_NOTES}
    config |= {"add_bos_token": add_bos and tokenizer.bos_token_id is not None, "add_eos_token": False}
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    answer = main(json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(answer))
