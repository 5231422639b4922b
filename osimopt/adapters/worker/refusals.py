"""What OpenSim's exceptions say, in the words and form of osimopt's errors."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import explain, some


def reason(text: str) -> str:
    """OpenSim's own words, without the place in its sources."""
    return re.sub(r"\s*Thrown at .*|std::exception in '[^']*':", "", text).strip().rstrip(".")


def why_refused(path: str, text: str) -> str:
    """Turn OpenSim's exception into file, part, rule and remedy."""
    if unknown := re.search(r"object type '\{?(\w+)\}?' is not a registered", text):
        names = re.findall(rf'<{unknown[1]}\s+name="([^"]*)"', Path(path).read_text(errors="replace"))
        got = f"{unknown[1]} ({some(names)})" if names else unknown[1]
        fix = "Replace it by a class that OpenSim has, or load its plugin's model in OpenSim and convert it."
        return explain("classes that OpenSim 4.6 knows", got, fix, path)
    invalid = re.search(r"Property '(\w+)' has an invalid property value\.\s*\(details: (.*?)\)\.?\s", text, re.DOTALL)
    part = re.search(r"In (?:Component|Object) '([^']*)' of type (\w+)", text)
    if invalid and part:
        name = part[1].rsplit("/", 1)[-1]
        written = re.search(
            rf'name="{re.escape(name)}".*?<{invalid[1]}>(.*?)</', Path(path).read_text(errors="replace"), re.DOTALL
        )
        got = f"{written[1].strip()[:40] if written else 'a value that it refuses'} in {part[2]} '{name}'"
        fix = f"Edit <{invalid[1]}> of '{part[1]}' in the file; an older OpenSim accepted it."
        return explain(f"a valid <{invalid[1]}> ({invalid[2].strip().rstrip('.')})", got, fix, path)
    got = f"its refusal: {reason(text)}"
    return explain("a model that OpenSim 4.6 can build", got, "Repair the model in OpenSim.", path)
