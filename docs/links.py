"""Checks every link of the built site that stays within it: the page is there, and so is the place in it.

``python docs/links.py docs/_build/html`` lists what leads nowhere, as an error, and asks no network.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Collects what a page links to, and the places in it that can be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's address and name."""
        for key, value in attrs:
            if value and key == "id":
                self.places.add(value)
            elif value and (key, tag) in (("href", "a"), ("src", "img"), ("href", "link"), ("src", "script")):
                self.links.append(value)


def broken(root: Path) -> list[str]:
    """List the links that lead nowhere, each with the page that it is on."""
    pages = {file: Page(file) for file in sorted(root.rglob("*.html")) if "_static" not in file.parts}
    found = []
    for file, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not target.exists():
                found.append(f"{file.relative_to(root)}: {link}: no such page")
            elif place and target in pages and place not in pages[target].places:
                found.append(f"{file.relative_to(root)}: {link}: no such place")
    return found


def main() -> None:
    """Check the site in the folder that is named."""
    root = Path(sys.argv[1]).resolve()
    found = broken(root)
    if found or not list(root.rglob("*.html")):
        sys.exit("\n".join(found) or f"{root}: no pages")


if __name__ == "__main__":
    main()
