"""Tiny specs as plain mappings, and what stands in them around the layer templates: schedule entries, sections."""

from tests.runtime.models.layers import attention, layer

VOCABULARY = 97


def spec(templates: dict, schedule: list | None = None, **sections) -> dict:
    """A whole spec around some layer templates: d_model 32, 4 heads of 8, two layers of each template in turn."""
    base = {
        "schema_version": 1,
        "model": {"name": "tiny", "d_model": 32, "vocab_size": VOCABULARY, "max_seq_len": 64, "n_heads": 4, "d_ff": 48},
        "tokenizer_contract": {"type": "hf", "pretrained": "none"},
        "embedding": {"type": "learned", "positional": "rope"},
        "layer_templates": templates,
        "layer_schedule": schedule or [{"group": [{"template": name} for name in templates], "repeat": 2}],
        "head": {"type": "causal_lm"},
        "training_hints": {"init": "normal_0.02"},
    }
    base["model"]["dtype"] = "float32"
    for name, section in sections.items():
        base[name] = {**base.get(name, {}), **section} if isinstance(section, dict) else section
    return base


def streams(merge: dict) -> dict:
    """A schedule entry: stream `wide` with one layer beside stream `local` with two."""
    return {
        "parallel": [
            {"stream": "wide", "body": [{"template": "a"}]},
            {"stream": "local", "body": [{"template": "b", "repeat": 2}]},
        ],
        "merge": merge,
    }


def integrator(kind: str, steps: int = 2, **keys) -> dict:
    """A schedule entry: an integrator whose last state goes on."""
    return {"integrator": {"type": kind, "steps": steps, "output": "hidden", **keys}}


def gated(template: str, capacity: float = 0.5, router: str = "top_k") -> dict:
    """A schedule entry with depth gating."""
    return {"template": template, "depth_gating": {"enabled": True, "capacity": capacity, "router": router}}


def phases(*modes: dict, token: str | None = None) -> dict:
    """The sections of a model with these phases, told by their budgets or by a token."""
    told = {"type": "special_token", "token": token} if token else {"type": "budget_exhausted"}
    return {
        "execution_modes": [{"name": f"phase {index}", **mode} for index, mode in enumerate(modes)],
        "transition": told,
    }


def quantised(dtype: str, *scope: str, **keys) -> dict:
    """Quantisation-aware training of the weights that the globs name."""
    return {"quant_aware_training": {"enabled": True, "dtype": dtype, "scope": list(scope), **keys}}


def columns(connectivity: str, coefficient: float, **templates: str) -> dict:
    """A tissue of one template a column."""
    named = [{"name": name, "templates": [template]} for name, template in templates.items()]
    return {"columns": named, "connectivity": connectivity, "lateral_coef": coefficient}


def mtp(n_predict: int = 2, head_template: str = "a", **keys) -> dict:
    """A head that predicts further tokens."""
    return {"type": "causal_lm_mtp", "mtp": {"n_predict": n_predict, "head_template": head_template, **keys}}


TWO = {"a": layer(), "b": layer(attention(window=7, n_kv_heads=2))}
