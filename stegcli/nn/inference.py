"""The context in which networks hide and reveal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def inference() -> Iterator[None]:
    """No gradients, and full float32 convolutions: with TF32, different devices would read different bits.

    Reference: PyTorch notes, "Numerical accuracy".
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (cudnn.allow_tf32, matmul.allow_tf32)
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    try:
        with torch.no_grad():
            yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before
