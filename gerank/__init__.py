"""gerank re-ranks whole pages: a generator proposes the slate, rules are masks in its decoding.

Three names, said here once: the library `libgerank.so`, the op namespace `torch.ops.gerank`, the
package `gerank`.
"""

from gerank.version import __version__

LIBRARY = "libgerank.so"
NAMESPACE = "gerank"

__all__ = ["LIBRARY", "NAMESPACE", "__version__"]
