"""Write where the repository is into the package's metadata and into the README that goes with it.

    python .ci/address.py https://host/owner/name COMMIT

The README's links are relative, so that they work in a clone and in any copy of the repository. On an index
they would lead nowhere: whoever builds a release runs this first, and commits none of it.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def absolute(text, base):
    """Make the relative links of a page absolute."""
    return LINK.sub(lambda link: f"]({base}/{link.group(1)})", text)


def with_urls(pyproject, address):
    """Add the table of addresses to pyproject.toml."""
    urls = {
        "Repository": address,
        "Documentation": f"{address}/tree/main/docs",
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    return pyproject.replace(
        "\n[project.optional-dependencies]", f"\n[project.urls]\n{lines}\n[project.optional-dependencies]", 1
    )


def main():
    """Rewrite both files in place."""
    address, commit = sys.argv[1].rstrip("/"), sys.argv[2]
    for name, text in {
        "README.md": lambda text: absolute(text, f"{address}/blob/{commit}"),
        "pyproject.toml": lambda text: with_urls(text, address),
    }.items():
        file = ROOT / name
        file.write_text(text(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
