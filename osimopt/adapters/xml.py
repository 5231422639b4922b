"""OpenSim's XML documents, opened so that a wrong file is refused in words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ..errors import InputError, explain


def read_xml(path: Path, element: str, what: str) -> ElementTree.Element:
    """Parse an OpenSim document and return the named element in it.

    Raises
    ------
    InputError
        No such file, not XML (with line and column), or XML of something else.
    """
    if not path.is_file():
        raise InputError(explain(what, "no such file", "Check the path.", path))
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        line, column = error.position
        where = f"{path}, line {line}, column {column + 1}"
        raise InputError(explain(what, f"text that is not XML ({error})", "Is it the right file?", where)) from None
    found = root if root.tag == element else root.find(element)
    if found is None:
        inside = next((child.tag for child in root), root.tag)
        raise InputError(explain(f"{what} with a <{element}>", f"<{inside}>", "Is it the right file?", path))
    return found
