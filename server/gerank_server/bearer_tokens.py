"""Which calls bring a token of the server's; the rules of server/native/grpc/bearer_tokens.h."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import grpc

from gerank_server import health

_SCHEME = "bearer "


def refusal_of(details: grpc.HandlerCallDetails, tokens: Sequence[bytes]) -> str | None:
    """Why a call is not let in, as a sentence for its caller; None where it is.

    Calls of health need no token: whoever balances the load or restarts a server has none.
    """
    if details.method.startswith(f"/{health.SERVICE}/"):
        return None
    given = [value for name, value in details.invocation_metadata if name == "authorization"]
    if len(given) != 1 or not given[0]:
        return "authorization: must be given once, as 'Bearer TOKEN'"
    if _accepts(tokens, given[0]):
        return None
    return "authorization: must be 'Bearer' and a token of this server"


def _accepts(tokens: Sequence[bytes], authorization: str | bytes) -> bool:
    text = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    if not text.lower().startswith(_SCHEME):
        return False
    token = text[len(_SCHEME) :].strip(" \t").encode("utf-8")
    is_known = False
    for known in tokens:  # all of them, also behind the right one
        is_known |= hmac.compare_digest(token, known)
    return is_known
