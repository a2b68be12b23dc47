"""The notebooks run from top to bottom, their key numbers hold, and what is committed is what they print.

`python tests/docs/test_notebooks.py` (or `make notebooks`) runs them and keeps the new outputs.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PROGRESS_BAR = "application/vnd.jupyter.widget-view+json"

# Asserted in the notebook's own kernel, once it has run: the reader's copy stays clean.
KEY_NUMBERS = {
    "opt_in_tutorial": """
from math import isclose

assert isclose(naive_gap, 0.2106310297, abs_tol=1e-9)
assert isclose(model.log_likelihood, -24724.99800742, rel_tol=1e-8)
assert isclose(model.auc, 0.7443059531, abs_tol=1e-9)
assert isclose(ate.estimate, 0.0847998203, abs_tol=1e-8)
assert isclose(att.estimate, 0.0766657807, abs_tol=1e-8)
assert isclose(ate_penalized.estimate, 0.0849287403, abs_tol=1e-8)
assert isclose(matched.estimate, 0.0797047097, abs_tol=1e-8)
assert isclose(shuffled_matched.estimate, matched.estimate, abs_tol=1e-12)
smd = balance.xs("smd", axis=1, level="measure")
assert isclose(smd.loc["engagement_tier[heavy]", "unadjusted"], 0.7416, abs_tol=1e-4)
assert isclose(smd.loc["query_confidence", "unadjusted"], -0.0317, abs_tol=1e-4)
assert smd.drop(columns="unadjusted").abs().max(axis=None) < 0.01
assert paired.estimate > 0.1 and 0.08 < near_effect.estimate < 0.09
assert by_matching["estimate"].between(0.07, 0.09).all()

ends = boot.conf_int()
assert len(boot.replicates) == 500 and not boot.n_failed.any()
assert isclose(ends.loc["IPW ATE", "conf_low"], 0.0745, abs_tol=0.0015)
assert isclose(ends.loc["IPW ATE", "conf_high"], 0.0954, abs_tol=0.0015)
assert isclose(ends.loc["IPW ATT", "conf_low"], 0.0687, abs_tol=0.0015)
assert isclose(ends.loc["IPW ATT", "conf_high"], 0.0865, abs_tol=0.0015)
assert isclose(ends.loc["1-NN ATT", "conf_low"], 0.0660, abs_tol=0.002)
assert isclose(ends.loc["1-NN ATT", "conf_high"], 0.0925, abs_tol=0.002)
assert (ends["conf_low"] < truth).all() and (ends["conf_high"] > truth).all()

assert blind_effect.estimate > 0.2
assert isclose(late_effect.estimate, 0.0751, abs_tol=1e-4)

import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    ps.fit_propensity(no_choice, treatment=treatment, covariates=covariates)
assert [warning.category for warning in caught] == [ps.errors.SeparationWarning]
""",
    "is_it_real": """
from math import isclose, sqrt

import numpy as np

y, t = users[outcome].to_numpy(), users[treatment].to_numpy() == 1
e = model.scores.to_numpy()
means = [np.average(y[t], weights=1 / e[t]), np.average(y[~t], weights=1 / (1 - e[~t]))]
assert np.allclose(effect.means["estimate"], means, rtol=1e-9)
for name, rows in users.groupby("engagement_tier").groups.items():
    own = np.isin(users.index, rows)
    of_tier = [np.average(y[own & arm], weights=w[own & arm]) for arm, w in ((t, 1 / e), (~t, 1 / (1 - e)))]
    assert isclose(by_tier[name].estimate, of_tier[0] - of_tier[1], rel_tol=1e-9)
ratio = means[0] / means[1]
assert isclose(effect.e_value().point, ratio + sqrt(ratio * (ratio - 1)), rel_tol=1e-9)
assert isclose(effect.e_value().point, 1.55864, abs_tol=5e-6)
assert isclose(robustness.value, 0.0669039, abs_tol=5e-8)
assert by_tier.test_equal().p_value > 0.05 > 1e-5 > in_percent.test_equal().p_value

# The least effect at the factor that takes it to none, by hand: units whose odds go against it weigh most.
gamma = bounds.critical_gamma_of_estimate
odds = np.where(t, (1 - e) / e, e / (1 - e))
w = 1 + odds * np.where((y == 1) == t, 1 / gamma, gamma)
assert abs(np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t])) < 1e-6
assert 1.15 < sqrt(hidden.critical_gamma) < 1.25
assert isclose(placebo.table.loc["engagement_tier", "times"], 0.6766, abs_tol=1e-4)
""",
    "messy_log": """
filled = users["query_confidence"].fillna(users["query_confidence"].mean())
counts = users["country"].value_counts()
few = set(counts.index[counts < 100])
by_hand = users.assign(
    query_confidence=filled,
    unknown=users["query_confidence"].isna(),
    country=["other" if name in few else name for name in users["country"]],
)
columns = ["engagement_tier", "query_confidence", "unknown", "country", "log_seats"]
expected = ps.aipw(by_hand, **roles, covariates=columns)
assert abs(study.effect.estimate - expected.estimate) < 1e-9
low, high = study.effect.conf_int()
assert low < 0.08 < high < 0.12 < study.estimates["naive gap"].estimate
assert size < 1_000_000
""",
    "lalonde_matching": """
import json
from math import isclose
from pathlib import Path

values = {
    name: json.loads(Path(f"../tests/reference/lalonde_{name}.json").read_text())["values"]
    for name in ("match", "groups", "balance")
}
assert isclose(naive_gap, -635.026212, abs_tol=1e-6)
found = table["estimate"]
assert isclose(found["1-NN"], values["match"]["nn.score.ATT.1"]["estimate"], rel_tol=1e-8)
far = abs(found - benchmark) > table["std_error"]
assert list(found.index[far]) == ["naive gap", "1:1"]
assert isclose(found["6 classes"], values["groups"]["subclass.6.ATT"]["estimate"], rel_tol=1e-8)
assert ((table["conf_low"] < benchmark) & (benchmark < table["conf_high"])).drop("naive gap").all()

for sample, name in {"unadjusted": "unadjusted", "6 classes": "subclass.6.ATT"}.items():
    expected = values["balance"][f"{name}.treated"]["smd"]
    assert abs(balance[sample, "smd"].to_numpy() - expected).max() < 1e-8
""",
    "when_balance_fails": """
from math import isclose

from sklearn.linear_model import LogisticRegression

treated, tasks = usage["opt_in"].to_numpy(), usage["tasks_completed"].to_numpy()
standard = (usage[covariates] - usage[covariates].mean()) / usage[covariates].std()
fit = LogisticRegression(C=1e10, tol=1e-8, solver="newton-cholesky").fit(standard, treated)
e = fit.predict_proba(standard)[:, 1]
by_hand = np.average(tasks[treated], weights=1 / e[treated])
by_hand -= np.average(tasks[~treated], weights=1 / (1 - e[~treated]))
assert isclose(linear.estimate, by_hand, rel_tol=1e-5)

for found in (balanced, both):
    for arm in (treated, ~treated):
        product = engagement * features
        assert isclose(np.average(product[arm], weights=found.weights[arm]), product.mean(), rel_tol=1e-8)
weighted = [np.average(tasks[arm], weights=balanced.weights[arm]) for arm in (treated, ~treated)]
assert isclose(exact["balanced"].estimate, weighted[0] - weighted[1], rel_tol=1e-9)
assert near.ess_control < balanced.ess_control / 2

off = pd.Series({name: effect.estimate - truth for name, effect in effects.items()})
assert (off.diff().dropna() <= 0.02).all() and off.iloc[0] > 1.3
low, high = boosted.conf_int()
assert low < truth < high
window = age.between(13, 24).to_numpy()
apart = {
    name: np.average(window[treated], weights=w.weights[treated])
    - np.average(window[~treated], weights=w.weights[~treated])
    for name, w in (weightings | weights).items()
}
assert apart["linear"] > 0.1 and apart["squares"] > 0.1
assert abs(apart["with the log-odds"]) < apart["step 2"] / 2
""",
    "warehouse": """
import numpy as np
from math import isclose

table = users.df()
spelled = ps.estimate(table, outcome="completed", **roles, estimators=[ps.IPW("ATE"), ps.AIPW("ATE")]).table
for label, found in {"IPW ATE": effect, "AIPW ATE": adjusted["completed"]}.items():
    assert isclose(found.estimate, spelled["estimate"][label], abs_tol=1e-11)
    assert isclose(found.std_error, spelled["std_error"][label], rel_tol=1e-9)
    assert found.conf_int()[0] < 0.05 < found.conf_int()[1]
assert isclose(naive[1] - naive[0], spelled["estimate"]["naive gap"], abs_tol=1e-12)
assert isclose(boot.std_errors["IPW ATE"], effect.std_error, rel_tol=0.15)
assert cells.n_users == n_users and cells.n_cells == 240
""",
}

# Pictures in each, kept with it; and cells that tell how long they took.
PICTURES = {"is_it_real": 4, "opt_in_tutorial": 7, "lalonde_matching": 9, "when_balance_fails": 9}
TIMED = {"opt_in_tutorial": 1}


def read(path):
    return nbformat.read(path, as_version=4)


def execute(notebook):
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    return client.execute()


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def committed(path):
    return read(path)


@pytest.fixture(scope="module")
def executed(path):
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(KEY_NUMBERS[path.stem]))
    return execute(notebook)


def code_cells(notebook):
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source not in KEY_NUMBERS.values()
    ]


def printed(cell):
    """Text a reader sees, pictures aside, and the kernel's number that stands before a warning."""
    # Which of two streams comes first is a race between pipes; within each the order stands.
    outputs = sorted(cell.outputs, key=lambda output: output.get("name", ""))
    data = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return re.sub(r"\S*ipykernel_\d+", "ipykernel", "".join(data))


def pictures(notebook):
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_notebook_runs_and_its_key_numbers_hold(executed):
    assert executed.cells[-1].outputs == []


def test_notebook_is_committed_with_the_outputs_it_prints(committed, executed):
    for kept, fresh in zip(code_cells(committed), code_cells(executed), strict=True):
        if not kept.source.startswith("%%time"):
            assert printed(kept) == printed(fresh), kept.source


def test_notebook_is_committed_with_its_plots_and_its_times(path, committed):
    assert len(pictures(committed)) == PICTURES.get(path.stem, 0)
    timed = [printed(cell) for cell in code_cells(committed) if cell.source.startswith("%%time")]
    assert len(timed) == TIMED.get(path.stem, 0)
    for text in timed:
        assert re.search(r"Wall time: [\d.]+ m?s", text)


def test_notebook_has_short_cells_and_defines_no_functions(committed):
    for cell in code_cells(committed):
        assert len(cell.source.splitlines()) <= 10
        assert not re.search(r"^\s*(def|class) |lambda", cell.source, re.MULTILINE)


def without_progress_bars(notebook):
    """Leave out what has no meaning once its kernel is gone."""
    for cell in code_cells(notebook):
        cell.outputs = [output for output in cell.outputs if PROGRESS_BAR not in output.get("data", {})]
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        nbformat.write(without_progress_bars(execute(read(path))), path)
