"""How the site is built: `make docs` runs Sphinx over this folder, and warnings are errors.

The stack is the field's own, that of NumPy, pandas and scikit-learn: readers know where things are, numpydoc
reads the docstrings as they stand, and search works without a network.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl

sys.path.insert(0, str(Path(__file__).parent))
import reference_pages

import propensity

mpl.use("Agg")

project = "propensity"
author = copyright = "the propensity contributors"  # noqa: A001 - Sphinx's own name
release = version = propensity.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "plots/*", "gallery/*.ipynb", "**/sg_execution_times.rst"]

# Pages: their examples are run by tests/docs, and the notebooks by theirs, so that nothing runs twice here.
nb_execution_mode = "off"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
suppress_warnings = ["mystnb.unknown_mime_type", "config.cache"]

# Reference: types are in the docstrings' words, so signatures stay short.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
default_role = "autolink"

html_theme = "pydata_sphinx_theme"
html_title = "propensity"
html_static_path = ["_static"]
html_css_files = ["propensity.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "start": []}


def without_warnings(_conf: object, _example: str) -> None:
    """Leave cautions out of the pictures' pages: the guide tells of them, with what to do."""
    warnings.filterwarnings("ignore", category=UserWarning)


sphinx_gallery_conf = {
    "examples_dirs": "plots",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "capture_repr": (),
    "reset_modules": ("matplotlib", without_warnings),
    "notebook_extensions": set(),
}

# Pages that lie outside of this folder, where these pages name them, and what is shown of them here.
ELSEWHERE = {
    "](../notebooks/": "](notebooks/",
    "](../docs/": "](../",  # in the notebooks, whose copies lie in this folder
    "](../SECURITY.md)": "](security.md)",
    "](../CHANGELOG.md)": "](changelog.md)",
}


def linked_here(_app: object, _page: str, source: list[str]) -> None:
    """Turn links to files outside of this folder into links to their copies in it."""
    for there, here in ELSEWHERE.items():
        source[0] = source[0].replace(there, here)


def bars_are_bars(
    _app: object, _what: str, _name: str, _member: object, _options: object, lines: list[str]
) -> None:
    """Let ``|b|`` in a docstring be the size of b, and not a substitution of reStructuredText."""
    for place, line in enumerate(lines):
        if ">>>" not in line:
            parts = line.split("``")
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[place] = "``".join(parts)


def signature_of_results(
    _app: object, what: str, _name: str, member: object, _options: object, signature: str, returned: str
) -> tuple[str, str]:
    """Leave out how a result is constructed: functions make them, and their attributes are told below."""
    is_result = what == "class" and "Attributes\n" in (inspect.getdoc(member) or "")
    return ("", "") if is_result else (signature, returned)


def copied(_app: object = None) -> None:
    """Copy the notebooks, and pages of the folder above, to where Sphinx finds them."""
    here = Path(__file__).parent
    (here / "notebooks").mkdir(exist_ok=True)
    for notebook in sorted((here.parent / "notebooks").glob("*.ipynb")):
        (here / "notebooks" / notebook.name).write_bytes(notebook.read_bytes())
    for name in ("SECURITY.md", "CHANGELOG.md"):
        text = (here.parent / name).read_text(encoding="utf-8")
        text = re.sub(r"\[([^\]]+)\]\(docs/([^)]+)\)", r"[\1](\2)", text)
        (here / name.lower()).write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Make what is made: copies, and the pages of the reference."""
    warnings.filterwarnings("ignore", category=UserWarning, module="propensity")
    copied()
    reference_pages.write(Path(__file__).parent / "reference")
    app.connect("source-read", linked_here)
    app.connect("autodoc-process-signature", signature_of_results)
    app.connect("autodoc-process-docstring", bars_are_bars, priority=100)
