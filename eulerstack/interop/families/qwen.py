"""What Qwen 2 and Qwen 3 share: which layers have a sliding window."""

from eulerstack.interop.config import Config
from eulerstack.interop.plain import layer_types, windowed


def windows(config: Config, layers: int) -> list[int | None]:
    """Each layer's window. `use_sliding_window` false takes all windows away, whatever `sliding_window` says.

    Without `layer_types` the layers from `max_window_layers` on have one.
    """
    used = config.boolean("use_sliding_window", False)
    written = config.optional_integer("sliding_window", 4096)
    window = written if used else None
    first = config.integer("max_window_layers", 28, least=0)
    default = [
        "sliding_attention" if window is not None and layer >= first else "full_attention" for layer in range(layers)
    ]
    return windowed(config, layer_types(config, layers, default), window)
