"""The ops of gerank in plain PyTorch: the executable specification.

They are small and slow on purpose. Each function has the signature and the meaning of the op of the
same name in `gerank.ops`, for float32 and float64, and is differentiable where the op is, through
plain autograd. Tests and benchmarks compare the kernels with it; nothing in production imports it.
"""

from __future__ import annotations

from gerank.reference.decode_slates import decode_slates
from gerank.reference.encode_set import encode_set
from gerank.reference.pointer_step import pointer_step
from gerank.reference.set_features import set_features
from gerank.reference.slate_log_prob import slate_log_prob

__all__ = ["decode_slates", "encode_set", "pointer_step", "set_features", "slate_log_prob"]
