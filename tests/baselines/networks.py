"""Every comparator that has a network, in the order of their papers' years."""

from __future__ import annotations

from gerank.baselines.cmr import Cmr
from gerank.baselines.comparator import Comparator
from gerank.baselines.dlcm import Dlcm
from gerank.baselines.eg_rerank import EgRerank
from gerank.baselines.exact_k import ExactK
from gerank.baselines.gsf import Gsf
from gerank.baselines.midnn import MiDnn
from gerank.baselines.mirnn import MiRnn
from gerank.baselines.nar4rec import Nar4Rec
from gerank.baselines.prm import Prm
from gerank.baselines.seq2slate import Seq2Slate
from gerank.baselines.setrank import SetRank

WITH_NETWORK: tuple[type[Comparator], ...] = (
    Dlcm,
    MiDnn,
    MiRnn,
    Seq2Slate,
    ExactK,
    Gsf,
    Prm,
    SetRank,
    EgRerank,
    Cmr,
    Nar4Rec,
)
