"""What columns are called by other systems; the first name that is there wins."""

from __future__ import annotations

import re
from collections.abc import Iterable

PAGE = (
    r"(page|request|impression|imp|query|search|srch|serp|slate|list|session|view|event)_?(id|key|no|uuid)?",
    r"q_?id",
)
PERSON = (
    r"(user|visitor|person|customer|member|reader|viewer|account|client|profile|buyer|shopper)"
    r"(_?(id|key|no|hash|uuid))?",
    r"u_?id|device_id|cookie(_id)?|session(_id)?",
)
TIME = (r".*(timestamp|_time|_at|_ts)", r"ts|time|timestamp|date|datetime|when", r".*date.*")
SHORT_TIME = (r"t|ts_?(s|ms|us|ns)?|(unix|epoch).*|.*(_epoch|_unix)",)
"""A number or a moment that is called so is a time; a text may be anything."""
ORDER = (r"t|ts|step|seq(uence)?(_?(no|number))?",)
"""Small numbers that are called so may tell the order of pages."""
HISTORY = (
    r"(.*_)?(history|histories|hist|last|recent|past|previous|prev|interests?|segments?)(_.*)?",
    r"(user|person|reader|visitor|customer|member|profile)_.*",
)
"""Lists of a page that are called so tell of the person or page before it was shown."""
ITEM = (
    r"(item|sku|article|product|prod|doc|document|movie|film|video|song|track|listing|offer|ad|news"
    r"|content|book|game|restaurant|hotel|property|prop|candidate|creative|asin|pin|post)s?"
    r"(_?(id|key|no|number|sku|uuid)s?)?(_?(in_?view|shown|displayed|impressed))?",
    r".*(in_?view|shown|displayed|impressions?)(_ids?)?",
)
SLOT = (r"(slot|position|pos|rank|place|ranking|display_order|index|idx|order)(_?(no|number))?",)
CLICK = (
    r"(is_?|was_?|n_?)?(click(ed|s)?|tap(ped)?|open(ed)?)(_?(bool|flag|ind|ids?))?",
    r".*click.*",
    r"label|target|y|relevance|grade|rel",
)
PROPENSITY = (r"(.*_)?(propensity|pscore|prob(ability)?)(_score)?",)
CHOICE_PROPENSITY = (r"(.*_)?(choice|action)_(propensity|prob(ability)?)",)
FEEDBACK = (
    ("purchase", "flag", r"(.*_)?(purchas|bought|buy|order|conver|book(ed|ing)).*"),
    ("hide", "flag", r"(.*_)?(hid(e|den)|dislik|block|report|not_?interest).*"),
    ("like", "flag", r"(is_?)?(lik|fav|sav|bookmark|share|follow_click|comment).*"),
    ("cart", "flag", r"(.*_)?(add_?to_?cart|cart|basket).*"),
    ("dwell", "amount", r"(.*_)?(dwell|watch|play|listen|duration|time_?spent).*"),
    ("dwell", "amount", r"next_read_time"),
    ("revenue", "amount", r"(.*_)?(revenue|gmv|gross|spend|order_value).*"),
    ("rating", "amount", r"(user_|star_?)?rating"),
)
"""Kind of feedback, what its numbers are, how the column is called."""
OUTCOMES = (r"(next_)?(read_time|scroll.*|session_length|exit.*|bounce.*)",)
"""What is known only after the page was shown: never a feature."""
BOOKKEEPING = (
    r"__.*__",
    r"unnamed: ?\d+",
    r"index",
    r"(created|updated|ingest).*",
    r"year|month|day|hour",
)
"""What systems add to tables and what tells nothing of a page."""
CATEGORY = (
    r"(.*_)?(id|type|category|cat|class|segment|code|kind|group|brand|seller|genre|topic|device|country|region|language|tier|store|shop|cluster)(_?(id|type|code))?",
)
"""Integers that are called so are categories, not amounts."""
GROUP = (
    r"(.*_)?(brand|seller|category|genre|topic|author|artist|publisher|shop|store|vendor|merchant)(_?(id|code))?",
)
"""Candidates' categories that rules are likely to speak of."""


def first_named(names: Iterable[str], patterns: tuple[str, ...]) -> str:
    """The first of `names` that the earliest pattern fits, or nothing."""
    names = list(names)
    for pattern in patterns:
        for name in names:
            if re.fullmatch(pattern, name, re.IGNORECASE):
                return name
    return ""


def is_named(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether any pattern fits."""
    return bool(first_named([name], patterns))
