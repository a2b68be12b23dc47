"""Keep the means of both arms (POmeans) that Stata's `teffects` printed, from statsmodels' own tests.

    python stata_pomeans.py

statsmodels 0.15.0 (BSD-3) has the full output of Stata's runs on cattaneo2.dta, the example of the manual's
pages on `teffects ra`, `ipw`, `aipw` and `ipwra`; the score of the latter three is a probit. A table has a
row for each parameter, of which the first two are the effect and the mean of the controls.
"""

import json
from pathlib import Path

from statsmodels.treatment.tests.results import results_teffects as stata


def main():
    values = {}
    for method in ("ra", "ipw", "aipw", "ipwra"):
        results = getattr(stata, f"results_{method}")
        for estimand, table in (("ATE", "table"), ("ATT", "table_t")):
            if table in results:
                value, error, _, _, low, high = results[table][1][:6]
                values[f"{method}.{estimand}"] = {
                    "mean_control": value,
                    "std_error": error,
                    "conf_low": low,
                    "conf_high": high,
                }
    Path(__file__).with_suffix(".json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
