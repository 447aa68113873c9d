"""Multi-head latent attention (DeepSeek-V2 2024): keys and values expanded from one cached latent."""

from collections.abc import Iterator

from eulerstack.records import dataclass
from eulerstack.schema.base import ONES, Count, Keys, Parameter, Positive, Size, linear


class MlaKeys(Keys):
    """`attention.mla`: keys and values expanded from one cached latent."""

    kv_rank: Size
    q_rank: Size | None = None
    rope_dim: Count | None = None
    nope_dim: Size | None = None
    v_dim: Size | None = None
    norm_eps: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mla:
    """Multi-head latent attention. `q_rank` None: queries are projected directly (DeepSeek-V2-Lite).

    `norm_eps` is that of the latents' norms.
    """

    kv_rank: int
    q_rank: int | None
    rope_dim: int
    nope_dim: int
    v_dim: int
    norm_eps: float

    @classmethod
    def resolve(cls, keys: MlaKeys, head_dim: int, rope: bool, norm_eps: float) -> "Mla":
        """Per-head widths derive as in DeepSeek-V2 §2.1: rotated part half of the unrotated one, kept even."""
        nope = keys.nope_dim or head_dim
        rope_dim = keys.rope_dim if keys.rope_dim is not None else _even(nope // 2)
        return cls(
            kv_rank=keys.kv_rank,
            q_rank=keys.q_rank,
            rope_dim=rope_dim if rope else 0,
            nope_dim=nope,
            v_dim=keys.v_dim or head_dim,
            norm_eps=keys.norm_eps or norm_eps,
        )

    def parameters(self, d_model: int, n_heads: int, bias: bool, out_bias: bool) -> Iterator[Parameter]:
        """HF's names of deepseek_v3; `bias` on the projections that read the stream."""
        width = n_heads * (self.nope_dim + self.rope_dim)
        if self.q_rank is None:
            yield from linear("q_proj", d_model, width, bias=bias)
        else:
            yield from linear("q_a_proj", d_model, self.q_rank, bias=bias)
            yield Parameter("q_a_layernorm.weight", (self.q_rank,), ONES)
            yield from linear("q_b_proj", self.q_rank, width)
        yield from linear("kv_a_proj_with_mqa", d_model, self.kv_rank + self.rope_dim, bias=bias)
        yield Parameter("kv_a_layernorm.weight", (self.kv_rank,), ONES)
        yield from linear("kv_b_proj", self.kv_rank, n_heads * (self.nope_dim + self.v_dim))
        yield from linear("o_proj", n_heads * self.v_dim, d_model, bias=out_bias, kind="residual")


def _even(number: int) -> int:
    return number + number % 2
