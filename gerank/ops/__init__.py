"""The fused ops: importing this package loads the library that holds them."""

from gerank.ops.decode_slates import decode_slates
from gerank.ops.encode_set import encode_set
from gerank.ops.loading import load_library
from gerank.ops.packing import pack_decoder_weights, pack_encoder_weights
from gerank.ops.pointer_step import pointer_step
from gerank.ops.rank_page import rank_page
from gerank.ops.set_features import set_features
from gerank.ops.slate_log_prob import slate_log_prob
from gerank.ops.step_decoder import StepDecoder

load_library()

__all__ = [
    "StepDecoder",
    "decode_slates",
    "encode_set",
    "pack_decoder_weights",
    "pack_encoder_weights",
    "pointer_step",
    "rank_page",
    "set_features",
    "slate_log_prob",
]
