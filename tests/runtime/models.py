"""Tiny models of every kind, built in memory from YAML: what the runtime's tests run on."""

import copy
import functools

import torch
import yaml

from eulerstack import dsl, ir, schema
from eulerstack.compiler import config_dict
from eulerstack.diagnostics import Severity, Source
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM

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


def layer(mixer: dict | None = None, ffn: dict | None = None, **parts) -> dict:
    """A layer template: attention and a SwiGLU unless said otherwise."""
    return {
        "mixer": mixer or {"type": "attention", "attention": {}},
        "ffn": ffn or {"type": "gated_mlp", "activation": "swiglu"},
        **parts,
    }


def attention(**keys) -> dict:
    """An attention mixer with these keys."""
    return {"type": "attention", "attention": keys}


def mamba(**keys) -> dict:
    """A mamba mixer with these keys; small heads and chunks unless said otherwise."""
    small = {} if keys.get("variant") == "mamba1" else {"head_dim": 8, "chunk_size": 8}
    return {"type": "mamba", "mamba": {"d_state": 8, **small, **keys}}


def retnet(**keys) -> dict:
    """A retnet mixer with these keys; chunks shorter than the tests' sequences unless said otherwise."""
    return {"type": "retnet", "retnet": {"chunk_size": 8, **keys}}


def hyena(**keys) -> dict:
    """A hyena mixer with these keys; a narrow filter network unless said otherwise."""
    return {"type": "hyena", "hyena": {"filter_hidden": 8, **keys}}


def delta(**keys) -> dict:
    """A gated_deltanet mixer with these keys; chunks shorter than the tests' sequences unless said otherwise."""
    return {"type": "gated_deltanet", "gated_deltanet": {"chunk_size": 8, **keys}}


def ttt(inner: dict | None = None, **keys) -> dict:
    """A ttt_layer mixer with these keys; a small MLP inside and short chunks unless said otherwise."""
    keys = {"inner_model": inner or {"type": "mlp", "hidden": 12}, "chunk_size": 8, "inner_lr": 0.5, **keys}
    return {"type": "ttt_layer", "ttt": keys}


def compressed(kind: str, block: int = 4, pool: str = "softmax_gated", indexer: dict | None = None, **keys) -> dict:
    """A compressed attention, its window 6; csa and nsa_learned with an indexer of 16 heads that picks 3 blocks."""
    compression = {"type": kind, "m_block": block, "pool": pool}
    if kind != "hca":
        scorer = {"arch": "relu_mha", "n_heads": 16, "d_per_head": 6, "dtype": "fp32", **(indexer or {})}
        compression |= {"indexer": scorer, "top_k_blocks": 3}
    return attention(**{"window": 6, "compression": compression, **keys})


def branched(selector: dict | None = None, **branches: dict) -> dict:
    """A branched mixer with these branches."""
    return {"type": "branched", "branched": {"branches": branches, "selector": selector or {"type": "learned_gate"}}}


def remembering(kind: str, mixer: dict | None = None, hidden: int = 12, **keys) -> dict:
    """A layer template with a memory, which writes in evaluation too unless said otherwise."""
    rate = {} if kind == "retrieval" else {"inner_lr": 0.3}
    keys = {"update_at_inference": True, **rate, **keys}
    return layer(mixer, memory={"type": kind, "params": {"hidden": hidden}, **keys})


def moe(**keys) -> dict:
    """A mixture of 4 experts of which 2 are used, with these keys besides."""
    return {"type": "moe", "moe": {"experts": 4, "top_k": 2, "d_expert": 24, **keys}}


def to_ir(plain: dict) -> ir.Model:
    """Lower a plain spec. Fails on any error."""
    text = yaml.safe_dump(plain, sort_keys=False)
    document = dsl.resolve(Source("tiny.yml", text), dsl.relative_lookup)
    checked = schema.check(document)
    errors = [str(d) for d in checked.diagnostics if d.severity is Severity.ERROR]
    assert not errors, "\n".join(errors)
    return ir.lower(checked.spec)


def build(plain: dict, seed: int = 0) -> EulerStackForCausalLM:
    """The model of a plain spec, every parameter random so that nothing hides behind a zero or a one."""
    return copy.deepcopy(_build(yaml.safe_dump(plain, sort_keys=False), seed))


@functools.cache
def _build(text: str, seed: int) -> EulerStackForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = EulerStackForCausalLM(EulerStackConfig(**config_dict(to_ir(yaml.safe_load(text)))))
    return randomise(model, seed).eval()


def randomise(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Perturb every parameter: matrices well away from their small start, norms and biases away from 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise * (0.1 if parameter.dim() > 1 else 0.2))
    return model


def tokens(batch: int = 2, length: int = 41, seed: int = 1) -> torch.Tensor:
    """Random token ids [batch, length]."""
    return torch.randint(1, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, relative to the larger of 1 and b's largest entry."""
    return ((a - b).abs().max() / max(1.0, b.abs().max().item())).item()


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


def hyper(template: dict, mixing: str = "birkhoff", expand: int = 2) -> dict:
    """The template with hyper-connections."""
    residual = {"type": "hyper_connection", "hyper": {"expand": expand, "mixing": mixing}}
    return {**template, "residual": residual}


def gated(template: str, capacity: float = 0.5, router: str = "top_k") -> dict:
    """A schedule entry with depth gating."""
    return {"template": template, "depth_gating": {"enabled": True, "capacity": capacity, "router": router}}


TWO = {"a": layer(), "b": layer(attention(window=7, n_kv_heads=2))}
SHARED = [
    {"template": "a", "share": "once", "repeat": 2},
    {"template": "b"},
    {"template": "a", "share": "once"},
    {"template": "b", "share": "twice", "repeat": 2},
]


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


SPECS = {
    "llama": spec({"decoder": layer(attention(n_kv_heads=2))}),
    "gpt2": spec(
        {
            "decoder": layer(
                attention(qkv_bias=True, out_bias=True),
                {"type": "mlp", "activation": "gelu", "bias": True},
                norm={"type": "layernorm"},
            )
        },
        embedding={"positional": "learned"},
    ),
    "post_norm": spec({"decoder": layer(norm={"type": "layernorm", "position": "post"})}),
    "sandwich_softcap": spec(
        {"decoder": layer(attention(logit_softcap=5.0, scale=0.2), norm={"position": "sandwich", "unit_offset": True})},
        head={"logit_softcap": 8.0},
        embedding={"scale": 5.5},
    ),
    "output_norm_qk_full": spec({"decoder": layer(attention(qk_norm="full"), norm={"position": "output"})}),
    "qk_norm_head_gate": spec({"decoder": layer(attention(qk_norm="head", gate=True, n_kv_heads=1))}),
    "windows": spec(
        {
            "full": layer(),
            "sliding": layer(attention(window=6)),
            "dilated": layer(attention(window=4, window_mode="dilated", window_dilation=3)),
        }
    ),
    "windows_only": spec({"a": layer(attention(window=6)), "b": layer(attention(window=9, logit_softcap=4.0))}),
    "alibi": spec(
        {"full": layer(attention()), "sliding": layer(attention(window=7, n_heads=2, head_dim=8))},
        embedding={"positional": "alibi"},
    ),
    "no_positions": spec({"decoder": layer()}, embedding={"positional": "none"}),
    "parallel": spec({"decoder": layer(residual={"type": "parallel", "scaling": 0.7})}),
    "parallel_sandwich": spec({"d": layer(residual={"type": "parallel"}, norm={"position": "sandwich"})}),
    "parallel_post": spec({"d": layer(residual={"type": "parallel"}, norm={"position": "post"})}),
    "no_ffn": spec({"decoder": layer(ffn={"type": "none"})}),
    "mixed_heads_and_bases": spec(
        {
            "a": layer(attention(n_heads=2, head_dim=12, rope_theta=500.0)),
            "b": layer(attention(n_heads=8, n_kv_heads=2, head_dim=4)),
            "c": layer(attention(rope=False)),
        }
    ),
    "mixtral": spec({"decoder": layer(ffn=moe())}),
    "qwen3_next": spec(
        {
            "linear": layer(
                delta(n_value_heads=8), moe(shared_experts=1, shared_gate=True), norm={"unit_offset": True}
            ),
            "full": layer(
                attention(n_kv_heads=2, qk_norm="head", qk_norm_unit_offset=True, gate=True, rope_dim=2),
                moe(shared_experts=1, shared_gate=True),
                norm={"unit_offset": True},
            ),
        }
    ),
    "moe_some": spec({"dense": layer(), "sparse": layer(ffn={**moe(z_loss=0.1), "activation": "relu2"})}),
    "moe_deepseek": spec(
        {
            "d": layer(
                ffn=moe(
                    experts=8,
                    affinity="sigmoid",
                    bias_correction={"enabled": True, "update_rate": 0.01},
                    shared_experts=1,
                    n_groups=4,
                    balance={"group_limit": 2, "sequence_aux_coef": 0.1},
                    routed_scale=2.5,
                )
            )
        }
    ),
    "gating": spec(
        {
            "oss": layer(
                ffn={
                    **moe(router_bias=True, gating={"limit": 0.5, "slope": 1.702, "up_offset": 1.0}),
                    "bias": True,
                }
            ),
            "shared": layer(ffn=moe(shared_experts=1, gating={"limit": 0.3})),
        }
    ),
    "moe_hash": spec(
        {
            "hash": layer(ffn=moe(affinity="sqrt_softplus", routing={"type": "hash", "hash_salt": 7})),
            "drop": layer(ffn={**moe(capacity_drop_policy="drop", capacity_factor=0.9), "bias": True}),
            "pad": layer(ffn={**moe(capacity_drop_policy="pad", shared_experts=2), "activation": "gelu", "bias": True}),
        }
    ),
    "mtp": spec(TWO, head=mtp()),
    "mtp_everything": spec(
        {"a": layer(), "b": hyper(layer(attention(window=9), moe(bias_correction={"enabled": True})))},
        head={**mtp(1, "b", head_layers=2, train_loss_weight=1.0), "logit_softcap": 9.0, "tie_weights": False},
        embedding={"positional": "learned", "d_embed": 16, "scale": 3.0},
    ),
    "mtp_recurrent": spec(
        {"a": layer(), "b": layer(mamba())},
        [{"template": "a", "repeat": 2}],
        head=mtp(2, "b"),
        embedding={"positional": "none"},
    ),
    "tissue": spec(
        {"a": layer(), "b": layer(attention(window=7)), "c": hyper(layer(ffn={"type": "none"}))},
        [{"template": "a"}, {"template": "b", "repeat": 2}, {"template": "c"}, {"template": "a"}, gated("b")],
        tissue=columns("ring", 0.7, a="a", b="b", c="c"),
    ),
    "tissue_everywhere": spec(
        {
            "a": layer(),
            "b": layer(attention(window=7)),
            "narrow": layer(shape_change={"d_out": 16, "projection": "linear"}),
            "widen": layer(shape_change={"d_out": 32, "projection": "mlp"}),
        },
        [
            streams({"type": "add"}),
            integrator("ode_rk4", body=[{"template": "a"}, {"template": "b"}]),
            {"template": "narrow"},
            {"template": "b"},
            {"template": "widen"},
            integrator("discrete", body=[{"template": "b"}, {"template": "a"}]),
        ],
        tissue=columns("all_to_all", 0.5, first="a", second="b", third="narrow"),
    ),
    "fake_fp4": spec({"a": layer(ffn=moe()), "b": layer(mamba())}, compatibility=quantised("fp4", "*")),
    "fake_fp8": spec(
        {"a": layer(), "b": hyper(layer())}, compatibility=quantised("fp8", "*.ffn.*", "*eh_proj*"), head=mtp(1)
    ),
    "phases_hidden": spec(
        {**TWO, "c": layer(attention(window=6, logit_softcap=4.0))},
        [{"template": "a"}, {"template": "b"}, {"template": "c"}, gated("a")],
        head=mtp(1, "b"),
        **phases({"max_tokens": 11}, {"max_tokens": 9, "loss_weight": 0.5}, {"max_tokens": 50, "kv_share": True}),
    ),
    "phases_alibi": spec(
        TWO, **phases({"max_tokens": 14, "loss_weight": 0.25}, {"max_tokens": 50}), embedding={"positional": "alibi"}
    ),
    "phases_recurrent": spec(
        {"a": layer(mamba()), "b": layer(attention(window=7))},
        **phases({"max_tokens": 14, "loss_weight": 0.25}, {"max_tokens": 50}),
    ),
    "objectives": spec(
        {
            "sparse": layer(ffn=moe()),
            "routed": layer(branched({"type": "top_k", "top_k": 1}, wide=attention(), near=attention(window=5))),
            "large": layer(ffn=moe(experts=6, top_k=3, affinity="sigmoid")),
        },
        [{"template": "sparse"}, {"template": "routed"}, gated("large"), {"template": "sparse"}],
        tissue=columns("none", 0.0, first="sparse", second="routed"),
        training_hints={
            "differentiation_objectives": {
                "usage_probe_coef": 0.3,
                "router_mutual_information_coef": 0.2,
                "expert_orthogonality_coef": 0.1,
            }
        },
    ),
    "deep_supervision": spec(
        TWO,
        [
            integrator("discrete", body=[{"template": "a"}, {"template": "b"}], output="token"),
            integrator("ode_rk4", body="a", output="token"),
        ],
    ),
    "untied": spec({"decoder": layer()}, head={"tie_weights": False}),
    "shared": spec({"a": layer(), "b": layer(attention(window=6))}, SHARED),
    "kv_from": spec(
        {"full": layer(attention(n_kv_heads=2)), "local": layer(attention(window=6))},
        [
            {"template": "full"},
            {"template": "full", "kv_from": -1},
            {"template": "local"},
            {"template": "local", "kv_from": -1, "override": {"attention.window": 4}},
            {"template": "full", "kv_from": -3},
        ],
    ),
    "streams_add": spec(TWO, [{"template": "a"}, streams({"type": "add"})]),
    "streams_concat": spec(TWO, [streams({"type": "concat"}), {"template": "a"}]),
    "streams_gated": spec(TWO, [streams({"type": "gated", "projection": True}), {"template": "a"}]),
    "streams_cross_attn": spec(
        TWO, [{"template": "b"}, streams({"type": "cross_attn", "from": "local", "to": "wide"})]
    ),
    "discrete": spec(TWO, [integrator("discrete", body=[{"template": "a"}, {"template": "b"}]), {"template": "b"}]),
    "ode_euler": spec(TWO, [{"template": "a"}, integrator("ode_euler", steps=3, body="b")]),
    "ode_rk4": spec(
        {"a": layer(), "b": layer(ffn=moe())}, [integrator("ode_rk4", steps=2, body="b"), {"template": "a"}]
    ),
    "mhc": spec({"a": hyper(layer(ffn=moe())), "b": hyper(layer(attention(window=5), norm={"position": "sandwich"}))}),
    "hc": spec({"a": hyper(layer(), mixing="unconstrained", expand=3), "b": layer(ffn={"type": "none"})}),
    "hc_lowrank": spec({"a": hyper(layer(), mixing="learned_lowrank"), "b": hyper(layer())}),
    "hc_in_streams": spec(
        {"a": hyper(layer()), "b": layer(attention(window=7))},
        [streams({"type": "add"}), integrator("ode_euler", body="a"), {"template": "a"}],
    ),
    "mod": spec(TWO, [{"template": "a"}, gated("b"), {"template": "a"}, gated("a", capacity=0.3)]),
    "mod_moe": spec({"a": layer(), "b": layer(ffn=moe())}, [gated("b"), {"template": "b"}, {"template": "a"}]),
    "mod_hyper": spec(
        {"a": hyper(layer()), "b": hyper(layer(ffn=moe()), mixing="unconstrained")},
        [{"template": "a"}, gated("a"), gated("b", router="learned_gate"), {"template": "b"}],
    ),
    "mod_gate": spec(TWO, [{"template": "a"}, gated("b", router="learned_gate")]),
    "hourglass": spec(
        {
            "wide": layer(),
            "narrow": layer(shape_change={"d_out": 16, "projection": "linear"}),
            "inner": layer(attention(window=5)),
            "again": layer(shape_change={"d_out": 24, "projection": "mlp"}),
            "widen": layer(shape_change={"d_out": 32, "projection": "conv1d"}),
        },
        [{"template": name} for name in ("wide", "narrow", "inner", "again", "widen")],
    ),
    "yarn": spec(
        {"decoder": layer()},
        embedding={"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_seq_len": 16}},
    ),
    "sinks": spec(
        {
            "full": layer(attention(attention_sinks={"n_per_head": 2}, n_kv_heads=2)),
            "local": layer(attention(window=6, attention_sinks={}, logit_softcap=5.0)),
            "fixed": layer(attention(attention_sinks={"learnable": False})),
        }
    ),
    "v_from_k": spec(
        {
            "full": layer(attention(v_from_k=True, n_kv_heads=1, qk_norm="head")),
            "local": layer(attention(v_from_k=True, window=6, rope_dim=4, rope_interleaved=True)),
            "bare": layer(attention(v_from_k=True, rope=False)),
        },
        [{"template": "full"}, {"template": "full", "kv_from": -1}, {"template": "local"}, {"template": "bare"}],
    ),
    "deepseek_projections": spec(
        {
            "a": layer(attention(q_rank=12, o_groups=2, o_rank=6, qk_norm="head", q_norm_weight=False, rope_dim=4)),
            "b": layer(attention(q_rank=8, o_groups=4, o_rank=3, qkv_bias=True, out_bias=True, gate=True, window=5)),
        }
    ),
    "strided": spec(
        {
            "far": layer(attention(window=3, window_mode="nsa", window_dilation=2)),
            "fixed": layer(attention(window=2, window_mode="nsa", logit_softcap=4.0)),
        }
    ),
    "strided_alibi": spec({"far": layer(attention(window=3, window_mode="nsa"))}, embedding={"positional": "alibi"}),
    "mla": spec({"latent": layer(attention(mla={"kv_rank": 12, "q_rank": 16, "rope_dim": 4, "v_dim": 6}))}),
    "mla_lite": spec(
        {
            "local": layer(attention(mla={"kv_rank": 24, "nope_dim": 6}, window=7, attention_sinks={}, gate=True)),
            "full": layer(attention(latent_dim=16, qkv_bias=True, out_bias=True, logit_softcap=6.0)),
            "far": layer(attention(latent_dim=8, window=3, window_mode="nsa", rope_interleaved=True)),
        }
    ),
    "mla_alibi": spec({"latent": layer(attention(latent_dim=8, window=9))}, embedding={"positional": "alibi"}),
    "memory_neural": spec({"a": remembering("neural_memory"), "b": layer()}),
    "memory_associative": spec({"a": remembering("associative", mamba()), "b": layer(attention(window=7))}),
    "memory_retrieval": spec({"a": remembering("retrieval"), "b": layer()}),
    "memory_retrieval_large": spec({"a": remembering("retrieval", mamba(), hidden=50)}),
    "memory_learned": spec(
        {
            "neural": remembering("neural_memory", update_at_inference=False, persistence="persistent"),
            "matrix": remembering("associative", ttt(), update_at_inference=False, persistence="per_query"),
            "store": remembering("retrieval", update_at_inference=False, persistence="persistent", hidden=40),
        },
        [{"template": name} for name in ("neural", "matrix", "store")],
    ),
    "memory_everywhere": spec(
        {
            "hyper": hyper(remembering("neural_memory", persistence="per_query")),
            "twin": {**remembering("associative"), "residual": {"type": "parallel"}},
            "narrow": {**remembering("retrieval"), "shape_change": {"d_out": 24, "projection": "conv1d"}},
            "widen": {**remembering("neural_memory"), "shape_change": {"d_out": 32, "projection": "linear"}},
        },
        [{"template": "hyper"}, gated("twin"), {"template": "narrow"}, {"template": "widen"}, gated("hyper")],
        embedding={"positional": "none"},
    ),
    "ttt_linear": spec({"trained": layer(ttt({"type": "linear"}))}),
    "ttt_mlp": spec({"trained": layer(ttt())}),
    "ttt_steps": spec({"trained": layer(ttt(inner_steps_per_token=2, chunk_size=5, n_heads=2), {"type": "none"})}),
    "ttt_adamw": spec(
        {"trained": layer(ttt({"type": "linear"}, inner_optimizer="adamw", inner_lr=0.02, inner_steps_per_token=2))},
        [{"template": "trained"}],
    ),
    "ttt_hybrid": spec(
        {
            "mlp": layer(ttt(inner_optimizer="adamw", inner_lr=0.01, chunk_size=3)),
            "full": layer(attention(window=9)),
            "linear": layer(ttt({"type": "linear"}, chunk_size=64)),
        },
        [gated("linear"), {"template": "full"}, {"template": "mlp"}],
        embedding={"positional": "none"},
    ),
    "csa": spec(
        {
            "csa": layer(compressed("csa", n_kv_heads=2)),
            "shared": layer(compressed("csa", 3, "learned_pool", v_from_k=True, n_kv_heads=1, attention_sinks={})),
        }
    ),
    "csa_pools": spec(
        {
            "mean": layer(compressed("csa", 5, "mean", {"arch": "dot_product"}, logit_softcap=5.0, gate=True)),
            "max": layer(compressed("csa", 2, "max", {"arch": "learned_block_sel"}, rope=False)),
        },
        embedding={"positional": "rope"},
    ),
    "csa_fixed_indexer": spec(
        {"a": layer(compressed("csa", indexer={"learnable": False, "d_per_head": 5})), "b": layer()}
    ),
    "hca": spec(
        {
            "hca": layer(compressed("hca", 7)),
            "sinks": layer(compressed("hca", 4, "max", v_from_k=True, attention_sinks={"n_per_head": 2})),
            "full": layer(attention(n_kv_heads=2)),
            "ssm": layer(mamba()),
        }
    ),
    "hca_alibi": spec({"hca": layer(compressed("hca", 5, "mean", window=1))}, embedding={"positional": "alibi"}),
    "deepseek_v4": spec(
        {
            name: hyper(
                layer(
                    {
                        "type": "attention",
                        "attention": {
                            "n_kv_heads": 1,
                            "v_from_k": True,
                            "q_rank": 12,
                            "qk_norm": "head",
                            "q_norm_weight": False,
                            "attention_sinks": {},
                            "o_groups": 2,
                            "o_rank": 5,
                            "rope_dim": 4,
                            "rope_interleaved": True,
                            **form["attention"],
                        },
                    },
                    moe(affinity="sqrt_softplus", shared_experts=1, routed_scale=1.5),
                )
            )
            for name, form in {
                "sliding": attention(window=6, rope_scaled=False),
                "csa": compressed("csa", rope_theta=500.0),
                "hca": compressed("hca", 8, rope_theta=500.0),
            }.items()
        },
        embedding={"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_seq_len": 16}},
    ),
    "nsa": spec(
        {
            "relu": layer(compressed("nsa_learned", n_kv_heads=2)),
            "shared": layer(compressed("nsa_learned", 7, "mean", {"arch": "learned_block_sel"}, v_from_k=True)),
            "sinks": layer(compressed("nsa_learned", 3, "max", {"arch": "dot_product"}, attention_sinks={})),
        }
    ),
    "nsa_alibi": spec({"nsa": layer(compressed("nsa_learned", 5, "learned_pool"))}, embedding={"positional": "alibi"}),
    "mod_csa": spec({"a": layer(), "b": layer(compressed("csa", 3))}, [gated("b"), {"template": "a"}]),
    "mamba1": spec({"ssm": layer(mamba(variant="mamba1"))}),
    "mamba1_normed_no_ffn": spec(
        {"ssm": layer(mamba(variant="mamba1", norm_dt_b_c=True, dt_rank=5, d_conv=2), {"type": "none"})}
    ),
    "mamba2": spec({"ssm": layer(mamba())}),
    "mamba2_groups_wide": spec({"ssm": layer(mamba(n_groups=2, expand=3, d_conv=1, chunk_size=64), {"type": "none"})}),
    "mamba1_biases": spec(
        {"ssm": layer(mamba(variant="mamba1", in_bias=True, out_bias=True, conv_bias=False, activation="gelu"))}
    ),
    "mamba2_multipliers": spec(
        {
            "a": layer(mamba(d_inner=40, gated_norm="none")),
            "b": layer(mamba(n_groups=2, gated_norm="before", dt_min=0.005, dt_max=0.05, in_bias=True, out_bias=True)),
            "c": layer(mamba(multipliers={"gate": 0.5, "input": 2.0, "b": 1.5, "c": 0.7, "dt": 1.2})),
        },
        [{"group": [{"template": name} for name in "abc"]}],
    ),
    "mamba_hybrid": spec(
        {"first": layer(mamba(variant="mamba1")), "full": layer(attention(window=9)), "second": layer(mamba())},
        embedding={"positional": "none"},
    ),
    "retnet": spec({"retention": layer(retnet())}),
    "retnet_parallel": spec({"retention": layer(retnet(chunkwise=False, v_expand=1, n_heads=2), {"type": "none"})}),
    "retnet_unturned": spec({"retention": layer(retnet(rope=False, chunk_size=1, v_expand=3, n_heads=16))}),
    "retnet_hybrid": spec(
        {"retention": layer(retnet()), "full": layer(attention(window=9))}, embedding={"positional": "alibi"}
    ),
    "hyena": spec({"long": layer(hyena())}),
    "hyena_third_order": spec({"long": layer(hyena(depth=3, filter_decay=0.5), {"type": "none"})}),
    "hyena_hybrid": spec(
        {"long": layer(hyena(filter_hidden=5)), "full": layer(attention(window=9))}, embedding={"positional": "learned"}
    ),
    "hyena_gated_depth": spec({"long": layer(hyena()), "full": layer()}, [gated("long"), {"template": "full"}]),
    "delta": spec({"delta": layer(delta())}),
    "delta_shared_keys": spec(
        {
            "delta": layer(
                delta(n_heads=2, n_value_heads=6, d_key=5, d_value=3, d_conv=1, chunk_size=64), {"type": "none"}
            )
        }
    ),
    "delta_hybrid": spec(
        {"delta": layer(delta(d_conv=2), norm={"unit_offset": True}), "full": layer(attention(gate=True))}
    ),
    "branched": spec({"d": layer(branched(local=attention(window=6), ssm=mamba(), full=attention(rope_theta=500.0)))}),
    "branched_sum": spec(
        {
            "d": layer(
                {
                    "type": "branched",
                    "branched": {
                        "branches": {"full": attention(), "ssm": mamba()},
                        "selector": {"type": "sum"},
                        "factors": {"full": {"input": 2.0, "output": 0.5}, "ssm": {"output": 0.7}},
                    },
                },
                ffn_factors={"gate": 1.5, "output": 0.5},
            )
        },
        head={"logit_scale": 0.5},
    ),
    "branched_top_1": spec(
        {"d": layer(branched({"type": "top_k", "input": "embedding"}, type=retnet(), keys=attention(window=9)))}
    ),
    "branched_top_2": spec(
        {"d": layer(branched({"type": "top_k", "top_k": 2}, b=delta(), c=attention(rope=False), a=retnet(rope=False)))}
    ),
    "branched_everywhere": spec(
        {
            "a": hyper(layer(branched({"input": "embedding"}, x=attention(n_kv_heads=1), y=retnet()))),
            "b": layer(branched({"type": "top_k", "input": "embedding"}, x=delta(), y=attention(window=5)), moe()),
        },
        [{"template": "a"}, streams({"type": "add"}), gated("b"), integrator("ode_euler", body="b")],
    ),
}
"""A model of every kind, by name."""

REFUSES_LEFT_PADDING = {"csa", "csa_pools", "csa_fixed_indexer", "hca", "hca_alibi", "deepseek_v4", "nsa", "nsa_alibi"}
"""Models whose blocks are counted from a row's first slot: they raise a ValueError that says so."""
