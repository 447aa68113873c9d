import copy

import pytest
import torch

from eulerstack.training.muon import MuonAdamW, orthogonalised

SHAPES = [(8, 8), (16, 6), (6, 16), (1, 5)]


def parameters(*shapes: tuple[int, ...]) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(*shape, generator=generator)) for shape in shapes]


def stepped(optimizer: torch.optim.Optimizer, steps: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    owned = [p for group in optimizer.param_groups for p in group["params"]]
    for _ in range(steps):
        for parameter in owned:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [p.detach().clone() for p in owned]


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("iterations", [0, 5, 8])
def test_a_matrix_without_the_second_iteration_steps_as_torchs_muon(adjust: str, iterations: int) -> None:
    ours = [{"params": parameters(*SHAPES), "optimizer": "muon", "lr": 0.03, "weight_decay": 0.2}]
    keys = {"ns_iters": iterations, "stabilize_iters": 0, "adjust_lr": adjust}
    theirs = torch.optim.Muon(
        parameters(*SHAPES), lr=0.03, weight_decay=0.2, ns_steps=iterations, adjust_lr_fn=adjust, eps=1e-7
    )
    for own, other in zip(stepped(MuonAdamW(ours, **keys)), stepped(theirs), strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=0)


def test_each_expert_of_a_stack_steps_as_a_matrix_by_itself() -> None:
    stack = parameters((3, 10, 4))[0]
    alone = [torch.nn.Parameter(matrix.detach().clone()) for matrix in stack]
    together = MuonAdamW([{"params": [stack], "optimizer": "muon"}])
    apart = MuonAdamW([{"params": alone, "optimizer": "muon"}])
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        stack.grad = torch.randn(stack.shape, generator=generator) * torch.tensor([1.0, 100.0, 0.01])[:, None, None]
        for parameter, gradient in zip(alone, stack.grad, strict=True):
            parameter.grad = gradient.clone()
        together.step()
        apart.step()
    torch.testing.assert_close(stack.detach(), torch.stack([p.detach() for p in alone]), rtol=0, atol=2e-4)


def test_the_second_iteration_brings_singular_values_to_one() -> None:
    gradient = torch.randn(3, 24, 32, generator=torch.Generator().manual_seed(3))
    first, second = [(3.4445, -4.7750, 2.0315)] * 8, [(2.0, -1.5, 0.5)] * 2

    def spread(steps: list[tuple[float, float, float]]) -> float:
        return (torch.linalg.svdvals(orthogonalised(gradient, steps).float()) - 1).abs().max().item()

    assert spread(first) > 0.1
    assert spread(first + second) < 0.05


def test_other_groups_step_as_torchs_adamw() -> None:
    groups = [{"params": parameters((5,), (3, 4)), "optimizer": "adamw", "lr": 0.01, "weight_decay": 0.3}]
    theirs = torch.optim.AdamW(parameters((5,), (3, 4)), lr=0.01, weight_decay=0.3, betas=(0.8, 0.9))
    for own, other in zip(stepped(MuonAdamW(groups, betas=(0.8, 0.9))), stepped(theirs), strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=0)


def test_a_saved_state_goes_on_as_if_nothing_had_happened() -> None:
    def build() -> MuonAdamW:
        matrix, vector = parameters((4, 6), (7,))
        return MuonAdamW([{"params": [matrix], "optimizer": "muon"}, {"params": [vector], "optimizer": "adamw"}])

    unbroken = build()
    stepped(unbroken, steps=2)
    again = build()
    for own, other in zip(again.param_groups, unbroken.param_groups, strict=True):
        for parameter, saved in zip(own["params"], other["params"], strict=True):
            parameter.data.copy_(saved.data)
    again.load_state_dict(copy.deepcopy(unbroken.state_dict()))
    for own, other in zip(stepped(again), stepped(unbroken), strict=True):
        assert torch.equal(own, other)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        MuonAdamW([{"params": parameters((3,)), "optimizer": "muon"}])
