"""An SVG document as an element of a web page, beside others of its kind."""

from __future__ import annotations

import hashlib
import re
from xml.etree import ElementTree

from gerank.report.names import legible

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NOT_DRAWN = ("metadata", "style")


def inline_svg(document: bytes, label: str) -> str:
    """The root element of a document, as HTML has it.

    No address of any kind is left in it, no style that would hold for the whole page, and no id
    that another drawing of the page has.

    Args:
        document: As matplotlib writes it.
        label: Is read to those who do not see the drawing.
    """
    root = ElementTree.fromstring(document)
    _drop_what_is_not_drawn(root)
    digest = hashlib.sha256(document + label.encode("utf-8", "replace")).hexdigest()[:10]
    kept = {name: f"d{digest}-{place}" for place, name in enumerate(_referred(root))}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        _rename(element, kept)
    root.attrib |= {"role": "img", "aria-label": legible(label)}
    return ElementTree.tostring(root, encoding="unicode")


def _drop_what_is_not_drawn(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(_SVG) in _NOT_DRAWN:
                parent.remove(child)


def _referred(root: ElementTree.Element) -> list[str]:
    """The ids that some element of the drawing refers to, in the order of the references."""
    found: dict[str, None] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == _LINK:
                found[value.removeprefix("#")] = None
            found |= dict.fromkeys(_REFERENCE.findall(value))
    return list(found)


def _rename(element: ElementTree.Element, kept: dict[str, str]) -> None:
    """Gives an element and all that it refers to their new ids; other ids go."""
    own = element.attrib.pop("id", None)
    if own in kept:
        element.set("id", kept[own])
    link = element.attrib.pop(_LINK, None)
    if link is not None:
        element.set("href", f"#{kept[link.removeprefix('#')]}")
    for name, value in list(element.attrib.items()):
        if "url(#" in value:
            renamed = _REFERENCE.sub(lambda match: f"url(#{kept[match[1]]})", value)
            element.set(name, renamed)
