"""Run the scripts of this folder, and put their tables into docs/reliability.md.

    PYTHONPATH=tests python tests/faults/page.py                # all of them, about a quarter of an hour
    PYTHONPATH=tests python tests/faults/page.py forks threads  # some
    PYTHONPATH=tests python tests/faults/page.py fuzz           # a million junk calls, which `all` leaves out

A table stands between `<!-- forks -->` and `<!-- end -->`; the words around it are written by hand.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"
TABLES = (
    "forks",
    "interrupts",
    "threads",
    "panics",
    "memory",
    "mutation",
    "instruction_sets",
    "fused",
    "old_processor",
)


# Four seconds a call, not ten; as many junk calls as `make fuzz` makes.
OPTIONS = {"mutation": ["4"], "fuzz": ["1000000"]}


def printed(table):
    """What the script of this name prints now."""
    done = subprocess.run(
        [sys.executable, HERE / f"{table}.py", *OPTIONS.get(table, [])],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def refreshed(page, table, text):
    """The page with this text for this table."""
    between = re.compile(rf"(<!-- {table} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not between.search(page):
        raise LookupError(f"{PAGE.name} has no place for the table '{table}'")
    return between.sub(lambda found: found[1] + text + found[2], page)


def main(tables):
    """Run and write, one table after the other, so that what is done is kept."""
    for table in tables:
        sys.stderr.write(f"{table} ...\n")
        text = printed(table)
        PAGE.write_text(refreshed(PAGE.read_text(), table, text))  # as it is by then


if __name__ == "__main__":
    main(sys.argv[1:] or TABLES)
