"""Converter of RankLens: 24 films a page, uniformly shuffled, real clicks, people with a history.

`convert_ranklens` reads events of the official format and gives an exposure log; `write_ranklens`
also stores what the conversion of other people's pages needs.
"""

from __future__ import annotations

from gerank.data.ranklens.convert import convert_ranklens, write_ranklens
from gerank.data.ranklens.lines import RankLensError

__all__ = ["RankLensError", "convert_ranklens", "write_ranklens"]
