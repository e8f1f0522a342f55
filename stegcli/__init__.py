"""stego: file-to-file steganography on PyTorch."""

__version__ = "0.1.0"
