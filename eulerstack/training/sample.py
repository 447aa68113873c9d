"""What a trained model writes."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, set_seed

from eulerstack.training.loaded import loaded

NEW_TOKENS = 240


@torch.no_grad()
def sample(directory: Path, prompt: str, *, seed: int) -> str:
    """A continuation of `prompt` by the model of a compiled or trained directory, drawn with its cache."""
    # AutoTokenizer reads the model's config first, which is the directory's own code
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    model = loaded(directory)
    prompt_ids = tokenizer(prompt, return_tensors="pt").input_ids
    room = model.config.max_position_embeddings - prompt_ids.shape[1]
    set_seed(seed)
    tokens = model.generate(  # type: ignore[operator]  # transformers types it on a mixin
        prompt_ids, max_new_tokens=min(NEW_TOKENS, room), do_sample=True, temperature=0.7, top_k=40, use_cache=True
    )
    return str(tokenizer.decode(tokens[0], skip_special_tokens=True))
