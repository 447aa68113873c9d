"""Kernels of the packages mamba-ssm and causal-conv1d: used on a GPU where they are installed, never needed."""

from collections.abc import Callable

import torch

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn as selective_scan_kernel
except ImportError:
    selective_scan_kernel = None

try:
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined as chunk_scan_kernel
except ImportError:
    chunk_scan_kernel = None

try:
    from causal_conv1d import causal_conv1d_fn as causal_conv1d_kernel
except ImportError:
    causal_conv1d_kernel = None


def runs_on(kernel: Callable | None, tensor: torch.Tensor) -> bool:
    """Whether the kernel is installed and `tensor` is where it can run."""
    return kernel is not None and tensor.is_cuda and tensor.dtype is not torch.float64
