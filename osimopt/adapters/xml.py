"""OpenSim's XML documents, and error messages for wrong ones."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat

from ..errors import InputError, explain


def read_xml(path: Path, element: str, what: str) -> ElementTree.Element:
    """Parse an OpenSim document and return the named element in it.

    Raises
    ------
    InputError
        No such file, not XML (with line and column), or XML of something else.
    """
    root = parse_xml(path, what)
    found = root if root.tag == element else root.find(element)
    if found is None:
        inside = next((child.tag for child in root), root.tag)
        raise InputError(explain(f"{what} with a <{element}>", f"<{inside}>", "Is it the right file?", path))
    return found


def parse_xml(path: Path, what: str) -> ElementTree.Element:
    """Parse without namespaces: OpenSim writes elements like <HuntCrossleyForce::ContactParametersSet>."""
    if not path.is_file():
        raise InputError(explain(what, "no such file", "Check the path.", path))
    parser, builder = expat.ParserCreate(), ElementTree.TreeBuilder()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes)
    parser.EndElementHandler = lambda tag: builder.end(tag)
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes().strip(b"\x00 \r\n\t"), True)
    except expat.ExpatError as error:
        where = f"{path}, line {error.lineno}, column {error.offset + 1}"
        fix = "Is it the right file? If OpenSim opens it, save it again from there."
        raise InputError(explain(what, f"text that is not XML ({error})", fix, where)) from None
    return builder.close()
