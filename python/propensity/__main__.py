"""``python -m propensity``: the command line, and by itself the tutorial."""

from __future__ import annotations

import sys

from propensity.command_line import main

if __name__ == "__main__":
    given = sys.argv[1:]
    # What is no command is an option of the tutorial.
    asked = (
        given
        if given and (not given[0].startswith("-") or given[0] in ("-h", "--help"))
        else ["demo", *given]
    )
    sys.exit(main(asked))
