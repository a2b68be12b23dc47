"""Gather the licences of the Rust crates that the wheel carries into THIRD_PARTY_LICENSES.txt.

    python .ci/third_party.py            # write the file
    python .ci/third_party.py --check    # fail where it does not name what Cargo.lock holds

The wheel is one binary: the texts of the licences of what is compiled into it have to travel with it.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "THIRD_PARTY_LICENSES.txt"
RULE = "=" * 80


def crates():
    """List the crates that the Python module is built from; tools for building and testing are left out."""
    options = ["--locked", "--features", "python"]
    tree = ["cargo", "tree", *options, "--edges", "normal", "--target", "all", "--prefix", "none"]
    used = {tuple(line.split()[:2]) for line in _printed([*tree, "--format", "{p}"]).splitlines()}
    packages = json.loads(_printed(["cargo", "metadata", *options, "--format-version", "1"]))["packages"]
    found = [p for p in packages if p["source"] and (p["name"], f"v{p['version']}") in used]
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def _printed(command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout


def heading(crate):
    """Name a crate and its licence."""
    return f"{crate['name']} {crate['version']} ({crate['license']})"


def texts(crate):
    """Read the licence files that a crate ships."""
    folder = Path(crate["manifest_path"]).parent
    names = ("LICENSE", "LICENCE", "COPYING", "UNLICENSE", "NOTICE")
    files = sorted(file for file in folder.iterdir() if file.name.upper().startswith(names))
    return [file.read_text(errors="replace").strip() for file in files if file.is_file()]


def document():
    """All of it; a text that several crates share stands once, under all their names."""
    owners = {}
    for crate in crates():
        for text in texts(crate) or ["(no licence file in the crate; see the licence named above)"]:
            owners.setdefault(text, []).append(heading(crate))
    parts = ["Licences of the Rust crates compiled into propensity.", "Made by .ci/third_party.py.", ""]
    for text, names in owners.items():
        parts += [RULE, *names, RULE, "", text, ""]
    return "\n".join(parts) + "\n"


def main():
    """Write or check."""
    if "--check" not in sys.argv:
        FILE.write_text(document())
        return
    present = FILE.read_text()
    missing = [heading(crate) for crate in crates() if heading(crate) not in present]
    if missing:
        sys.exit(f"{FILE.name} does not name {', '.join(missing)}: run python .ci/third_party.py")


if __name__ == "__main__":
    main()
