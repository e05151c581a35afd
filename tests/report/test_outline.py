"""What the tests of pages rely on sees a page that is not what it should be."""

from __future__ import annotations

import pytest

from tests.report.outline import self_contained


@pytest.mark.parametrize(
    "body",
    [
        "<p>not closed",
        "<b><i></b></i>",
        '<script src="a.js"></script>',
        "<script>1</script>",
        '<a href="page.html">elsewhere</a>',
        '<a href="#nowhere">here</a>',
        '<p id="a"></p><p id="a"></p>',
        '<svg><g clip-path="url(#gone)"/></svg>',
        '<svg><image href="#a" id="a"/></svg>',
        "<p>http://example.org</p>",
        "<style>p { background: url(a.png); }</style>",
    ],
)
def test_a_page_that_is_not_whole_by_itself_is_seen(body: str) -> None:
    self_contained("<html><p>fine</p></html>")
    with pytest.raises(AssertionError):
        self_contained(f"<html>{body}</html>")
