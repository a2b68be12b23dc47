"""Pick from a larger file of reference numbers those the tests hold the package against.

    python published_estimates.py reference.json

Each value keeps its standard error, the digits to trust it to, and the note on where it is from.
"""

import json
import re
import sys
from pathlib import Path

KEPT = re.compile(
    r"[AC]\.(naive|ipw_hajek_AT[ETCOM]|(aipw|ipwra|ra)_(linear|logistic)_AT[ETC])"
    r"|A\.(nn_ATT_M[135]\..*|matchit471\..*|crump_alpha|truth\.AT[ET]|cluster_CR0\.ipw_AT[ET])"
    r"|C\.crump_alpha"
    r"|C\.stata\.(psmatch\..*|teffects_(ra|ipw|aipw|ipwra)\.ATET?)"
)


def main(path):
    source = json.loads(Path(path).read_text())
    values = {name: value for name, value in source["values"].items() if KEPT.fullmatch(name)}
    content = {"meta": source["meta"], "values": values}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
