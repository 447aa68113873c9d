"""The PyTorch model: flat, self-contained files that are copied as they are into every compiled directory.

Start reading at `modeling_eulerstack.py`. Nothing here may import the rest of EulerStack.
"""
