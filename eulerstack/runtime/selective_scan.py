"""The recurrence of Mamba-1, h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t x_t B_tᵀ and y_t = h_t C_t, forwards and backwards.

Where mamba_ssm is installed and the tensors are on a GPU, its kernel runs. Else `SelectiveScan` does: time goes by in
blocks of `BLOCK` steps inside a few reused buffers, of the states only those between blocks are kept, and the backward
pass runs each block again. So it needs O(B·N·I·T/BLOCK) memory beside its inputs, and no step allocates anything.

Shape suffixes: B batch, T tokens, K tokens of a block, I inner channels, N state size.
"""

import torch

from .state_space_kernels import runs_on, selective_scan_kernel

BLOCK = 32


def selective_scan(
    x_BTI: torch.Tensor,
    delta_BTI: torch.Tensor,
    A_IN: torch.Tensor,
    B_BTN: torch.Tensor,
    C_BTN: torch.Tensor,
    state_BIN: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y [B, T, I] and the state after the last token [B, I, N], from `state_BIN` (None: zeros) before the first.

    All tensors share one floating type, fp32 or wider. Where Δ is 0 a token leaves the state as it is.
    """
    if state_BIN is None and runs_on(selective_scan_kernel, x_BTI):
        turned = (tensor.transpose(1, 2).contiguous() for tensor in (x_BTI, delta_BTI, B_BTN, C_BTN))
        x_BIT, delta_BIT, B_BNT, C_BNT = turned
        y_BIT, state_BIN = selective_scan_kernel(x_BIT, delta_BIT, A_IN, B_BNT, C_BNT, return_last_state=True)
        return y_BIT.transpose(1, 2), state_BIN
    if state_BIN is None:
        state_BIN = x_BTI.new_zeros(x_BTI.shape[0], *A_IN.shape)
    if x_BTI.shape[1] == 1:
        return _step(x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, state_BIN)
    return _scan(x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, state_BIN)


def _step(x_B1I, delta_B1I, A_IN, B_B1N, C_B1N, state_BIN):
    delta_BI1 = delta_B1I.transpose(1, 2)
    state_BIN = torch.exp(delta_BI1 * A_IN) * state_BIN + (delta_BI1 * x_B1I.transpose(1, 2)) * B_B1N
    return (state_BIN * C_B1N).sum(-1).unsqueeze(1), state_BIN


@torch.compiler.disable  # dynamo would unroll it, a graph node for every step
def _scan(x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, state_BIN):
    return SelectiveScan.apply(x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, state_BIN)


class SelectiveScan(torch.autograd.Function):
    """`selective_scan` in torch alone. Inside it time comes first and the channels last, so that steps are contiguous.

    With g_t = ∂L/∂h_t, which runs backwards as g_t = C_t ∂L/∂y_t + exp(Δ_{t+1} A) ⊙ g_{t+1}, and
    p_t = g_t ⊙ exp(Δ_t A) ⊙ h_{t−1}: ∂Δx = Σ_N g B, ∂B = Σ_I g Δx, ∂C = Σ_I h ∂y, ∂A = Σ_BT p Δ, and
    ∂Δ = Σ_N p A + x ∂Δx.
    """

    @staticmethod
    def forward(ctx, x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, state_BIN):
        """As `selective_scan`, without its shortcuts."""
        block = Block(x_BTI, delta_BTI, A_IN, B_BTN)
        C_TBN = C_BTN.transpose(0, 1)
        starts = x_BTI.new_empty(len(block.spans), *block.states.shape[1:])
        y_TBI = torch.empty_like(block.delta_TBI)
        last_BNI = state_BIN.transpose(1, 2)
        for i, (start, stop) in enumerate(block.spans):
            starts[i] = last_BNI
            states_KBNI = block.run(start, stop, starts[i])
            torch.matmul(C_TBN[start:stop, :, None], states_KBNI, out=y_TBI[start:stop, :, None])
            last_BNI = states_KBNI[-1]
        ctx.save_for_backward(x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, starts)
        return y_TBI.transpose(0, 1), last_BNI.transpose(1, 2).contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y_BTI, grad_state_BIN):
        """The gradients of all six inputs."""
        x_BTI, delta_BTI, A_IN, B_BTN, C_BTN, starts = ctx.saved_tensors
        block = Block(x_BTI, delta_BTI, A_IN, B_BTN)
        B_TBN, C_TBN = B_BTN.transpose(0, 1), C_BTN.transpose(0, 1)
        grad_y_TBI = grad_y_BTI.transpose(0, 1).contiguous()
        grads = torch.empty_like(block.states)
        from_later = grad_state_BIN.transpose(1, 2).contiguous()
        grad_input, grad_delta = torch.empty_like(grad_y_TBI), torch.empty_like(grad_y_TBI)
        grad_B, grad_C = (tensor.new_empty(tensor.shape) for tensor in (B_TBN, C_TBN))
        grad_A = torch.zeros_like(block.A_NI)

        for i, (start, stop) in reversed(list(enumerate(block.spans))):
            now, size = slice(start, stop), stop - start
            states_KBNI = block.run(start, stop, starts[i])
            torch.matmul(states_KBNI, grad_y_TBI[now, :, :, None], out=grad_C[now, :, :, None])

            g_KBNI, decay_KBNI = grads[:size], block.decay[:size]
            torch.mul(grad_y_TBI[now, :, None], C_TBN[now, :, :, None], out=g_KBNI)
            g_KBNI[-1] += from_later
            for k in range(size - 2, -1, -1):
                torch.addcmul(g_KBNI[k], decay_KBNI[k + 1], g_KBNI[k + 1], out=g_KBNI[k])
            torch.mul(g_KBNI[0], decay_KBNI[0], out=from_later)
            torch.matmul(B_TBN[now, :, None], g_KBNI, out=grad_input[now, :, None])
            torch.matmul(g_KBNI, block.input_TBI[now, :, :, None], out=grad_B[now, :, :, None])

            p_KBNI = decay_KBNI.mul_(g_KBNI)
            p_KBNI[0] *= starts[i]
            p_KBNI[1:] *= states_KBNI[:-1]
            torch.sum(torch.mul(p_KBNI, block.A_NI, out=g_KBNI), dim=2, out=grad_delta[now])
            grad_A += torch.mul(p_KBNI, block.delta_TBI[now, :, None], out=g_KBNI).sum((0, 1))

        grad_delta.addcmul_(grad_input, x_BTI.transpose(0, 1))
        grad_x = grad_input.mul_(block.delta_TBI)
        over_time = (tensor.transpose(0, 1) for tensor in (grad_x, grad_delta))
        return (
            *over_time,
            grad_A.t(),
            grad_B.transpose(0, 1),
            grad_C.transpose(0, 1),
            from_later.transpose(1, 2),
        )


class Block:
    """Buffers for `BLOCK` steps, `decay` = exp(Δ A) and `states`, each [K, B, N, I]; and the inputs Δx of all steps."""

    def __init__(self, x_BTI, delta_BTI, A_IN, B_BTN):
        n_tokens = x_BTI.shape[1]
        self.spans = [(start, min(start + BLOCK, n_tokens)) for start in range(0, n_tokens, BLOCK)]
        self.A_NI = A_IN.t().contiguous()
        self.B_TBN1 = B_BTN.transpose(0, 1).unsqueeze(-1)
        self.delta_TBI = delta_BTI.transpose(0, 1).contiguous()
        self.input_TBI = self.delta_TBI * x_BTI.transpose(0, 1)
        shape = (min(BLOCK, n_tokens), x_BTI.shape[0], *self.A_NI.shape)
        self.decay, self.states = x_BTI.new_empty(shape), x_BTI.new_empty(shape)

    def run(self, start: int, stop: int, state_BNI: torch.Tensor) -> torch.Tensor:
        """The states [K, B, N, I] after each of the tokens from `start` to `stop`; fills `decay` besides."""
        decay_KBNI, states_KBNI = self.decay[: stop - start], self.states[: stop - start]
        torch.mul(self.delta_TBI[start:stop, :, None], self.A_NI, out=decay_KBNI).exp_()
        torch.mul(self.input_TBI[start:stop, :, None], self.B_TBN1[start:stop], out=states_KBNI)
        for k in range(stop - start):
            state_BNI = torch.addcmul(states_KBNI[k], decay_KBNI[k], state_BNI, out=states_KBNI[k])
        return states_KBNI
