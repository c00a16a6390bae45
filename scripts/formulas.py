"""A preprocessor of mdBook: renders formulas, $…$ and $$…$$, as MathML, which browsers show without scripts, fonts or a
network."""

import json
import re
import sys

from latex2mathml.converter import convert

# Code, which holds no formulas, comes first.
CODE_OR_FORMULA = re.compile(r"(?P<code>^```.*?^```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$]+)\$", re.M | re.S)


def rendered(found):
    if found["code"]:
        return found["code"]
    formula = convert((found["block"] or found["inline"]).strip(), display="block" if found["block"] else "inline")
    if "\\" in formula:
        sys.exit(f"a command of this formula is not known: {found[0]}")
    return f"<div>{formula}</div>" if found["block"] else formula


def render(items):
    """Renders the formulas of chapters, and of those below them, in place."""
    for chapter in (item["Chapter"] for item in items if "Chapter" in item):
        chapter["content"] = CODE_OR_FORMULA.sub(rendered, chapter["content"])
        render(chapter["sub_items"])


if sys.argv[1:2] != ["supports"]:
    _, book = json.load(sys.stdin)
    render(book["items"])
    json.dump(book, sys.stdout)
