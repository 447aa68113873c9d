"""What the device is, what it can do, and how much of its memory a run took."""

import os
import re
import resource
import sys

import torch

PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10G": 70e12,
    "V100": 125e12,
    "T4": 65e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}
"""Dense 16-bit matrix FLOP/s with fp32 accumulation, from the makers' data sheets, by words of the device's name; the
first that fits counts.

Not for fp32 training, and for no other device: a utilisation against a guessed peak would say nothing.
"""


def device_name(device: torch.device) -> str:
    """The device in the maker's words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_flops(device: torch.device, precision: str) -> float | None:
    """What the device can do in a second in this precision, where that is known."""
    if device.type != "cuda" or precision == "fp32":
        return None
    name = device_name(device)
    return next((peak for words, peak in PEAKS.items() if re.search(rf"\b{words}\b(?! Laptop)", name)), None)


def memory_of(device: torch.device) -> int:
    """How much memory the device has, in bytes; the machine's for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peak_memory(device: torch.device) -> int:
    """The most memory that was in use, in bytes: of the device's allocator, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
