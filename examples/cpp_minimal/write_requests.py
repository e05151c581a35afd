"""Writes JSON-lines requests as the batch that main.cpp reads.

python write_requests.py MODEL REQUESTS.jsonl OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from gerank.data.collate_requests import collate_requests
from gerank.data.request import with_seed
from gerank.data.request_json import parse_request
from gerank.export.artifact import load_artifact


def write_requests(model: Path, requests: Path, out: Path) -> None:
    """Checks every line of `requests` against the model, and pads them into one batch."""
    contract = load_artifact(model).contract
    documents = map(json.loads, requests.read_text().splitlines())
    checked = [with_seed(parse_request(document, contract)) for document in documents]
    torch.save(list(collate_requests(checked, contract)), out)


if __name__ == "__main__":
    write_requests(*map(Path, sys.argv[1:4]))
