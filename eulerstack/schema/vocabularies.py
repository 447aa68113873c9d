"""How many tokens well-known tokenizers have, so that a vocabulary can be judged without the network."""

from eulerstack.schema.sections import TokenizerKeys

BYTE_TOKENS = 256 + 3
"""Every byte, and bos, eos and pad."""

_GPT2, _NEOX, _LLAMA2, _LLAMA3, _QWEN, _GEMMA = 50257, 50277, 32000, 128256, 151669, 256000

SIZES: dict[str, int] = {
    "gpt2": _GPT2,
    "gpt2-medium": _GPT2,
    "gpt2-large": _GPT2,
    "gpt2-xl": _GPT2,
    "distilgpt2": _GPT2,
    "gpt-neo": _GPT2,
    "phi-2": 50295,
    "opt": 50265,
    "gpt-neox": _NEOX,
    "pythia": _NEOX,
    "olmo-2": 100278,
    "llama-2": _LLAMA2,
    "tinyllama": _LLAMA2,
    "mistral-7b-v0.1": _LLAMA2,
    "mixtral-8x7b": _LLAMA2,
    "mistral-7b-v0.3": 32768,
    "llama-3": _LLAMA3,
    "meta-llama-3": _LLAMA3,
    "qwen2": 151646,
    "qwen2.5": 151665,
    "qwen3": _QWEN,
    "gemma-2": _GEMMA,
    "gemma-3": 262145,
    "deepseek-v3": 128815,
    "bert-base-uncased": 30522,
    "t5": 32100,
}
"""Tokens, specials included, by the name after the slash or its beginning."""


def vocabulary_size(tokenizer: TokenizerKeys) -> int | None:
    """The number of tokens of a tokenizer, or None where it is not known here."""
    if tokenizer.type == "byte":
        return BYTE_TOKENS
    name = (tokenizer.pretrained or "").rsplit("/", 1)[-1].lower()
    known = [start for start in SIZES if name == start or name.startswith((f"{start}-", f"{start}."))]
    return SIZES[max(known, key=len)] if known else None
