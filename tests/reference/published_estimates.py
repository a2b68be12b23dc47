"""Pick from a larger file of reference numbers those the tests hold the package against.

    python published_estimates.py reference.json

Each value keeps its standard error, the digits to trust it to, and the note on where it is from.
"""

import json
import sys
from pathlib import Path

KEPT = (
    "A.naive",
    "A.ipw_hajek_ATE",
    "A.ipw_hajek_ATT",
    "A.ipw_hajek_ATC",
    "A.nn_ATT_M1.logit.tie_tol_1e-10",
    "A.nn_ATT_M1.ps.tie_tol_0",
    "A.nn_ATT_M3.logit.tie_tol_1e-10",
    "A.nn_ATT_M3.ps.tie_tol_0",
    "A.nn_ATT_M5.logit.tie_tol_1e-10",
    "A.nn_ATT_M5.ps.tie_tol_0",
    "A.truth.ATE",
    "A.truth.ATT",
    "C.naive",
    "C.ipw_hajek_ATE",
    "C.ipw_hajek_ATT",
    "C.ipw_hajek_ATC",
    "C.stata.psmatch.c1_ATE_M1",
    "C.stata.psmatch.c1_ATT_M1",
    "C.stata.psmatch.c2_ATE_M1",
    "C.stata.psmatch.c2_ATE_M4",
    "C.stata.psmatch.c2_ATT_M1_iid_cal.03",
)


def main(path):
    source = json.loads(Path(path).read_text())
    content = {"meta": source["meta"], "values": {name: source["values"][name] for name in KEPT}}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
