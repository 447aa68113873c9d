"""Data, and the loop that shows that a compiled model learns."""
