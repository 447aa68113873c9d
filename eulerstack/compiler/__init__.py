"""Layer 4: an IR model becomes a runtime JSON or a HuggingFace model directory."""
