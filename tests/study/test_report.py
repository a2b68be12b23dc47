"""The report: every number is that of a function, everything is escaped, and it reads in a browser."""

import html
import json
import re
import sys
import time

import numpy as np
import pandas as pd
import pytest

import browser
import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError
from propensity.results.numbers import written, written_p

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
LALONDE = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]


@pytest.fixture(scope="module")
def study(logs):
    return ps.Study(logs, outcome=[OUTCOME, "cost_usd"], **ROLES, cluster="workspace_id", seed=5)


@pytest.fixture(scope="module")
def facts(study):
    return study.to_dict()


@pytest.fixture(scope="module")
def path(study, tmp_path_factory):
    return study.report(tmp_path_factory.mktemp("report") / "study.html")


@pytest.fixture(scope="module")
def page(path):
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lalonde():
    return ps.Study(
        ps.datasets.lalonde(), outcome="re78", treatment="treat", covariates=LALONDE, estimand="ATT"
    )


def cells(page, region):
    """Read the rows of a table as a screen reader would: each by its header, cell by cell."""
    part = page.split(f'aria-label="{region}"')[1].split("</table>")[0].split("<tbody>")[1]
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", part, re.DOTALL):
        name = html.unescape(re.search(r'<th scope="row">(.*?)</th>', row, re.DOTALL)[1])
        found = re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL)
        rows[name] = [html.unescape(re.sub(r"<.*?>", "", cell)) for cell in found]
    return rows


def test_every_number_of_the_facts_is_that_of_a_function(logs, facts):
    cluster = {"cluster": "workspace_id"}
    table = ps.estimate(logs, outcome=OUTCOME, **ROLES, **cluster).table
    for row in facts["estimates"]:
        for name in (
            "estimate",
            "std_error",
            "conf_low",
            "conf_high",
            "p_value",
            "ess_treated",
            "ess_control",
        ):
            assert row[name] == table.loc[row["label"], name]
        assert row["note"] == table.loc[row["label"], "note"]
    effect = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster)
    percent = effect.contrast_as("percent")
    assert facts["lift"] == {"estimate": percent.estimate, **percent.conf_int()._asdict()}
    for row in facts["means"]:
        assert row["estimate"] == effect.means.loc[row["arm"], "estimate"]
    several = ps.aipw(logs, outcome=[OUTCOME, "cost_usd"], **ROLES, **cluster).to_frame()
    for row in facts["other_outcomes"]:
        for name in ("estimate", "conf_low", "conf_high", "p_value", "p_holm", "p_bh"):
            assert row[name] == pytest.approx(several.loc[row["outcome"], name], rel=1e-12, abs=1e-300)


def test_overlap_and_balance_of_the_facts_are_those_of_the_functions(logs, facts):
    cluster = {"cluster": "workspace_id"}
    model = ps.fit_propensity(logs, **ROLES)
    overlap = ps.overlap(logs, treatment=TREATMENT, scores=model)
    assert facts["overlap"]["low"] == overlap.support["low"].item()
    for row in facts["overlap"]["arms"]:
        assert row["5%"] == overlap.quantiles.loc[row["arm"], "5%"]
        assert row["ess"] == overlap.weights.loc[("ATE", row["arm"]), "ess"]
    treated = logs[TREATMENT] == 1
    for arm, rows in {"treated": treated, "control": ~treated}.items():
        in_bins = pd.cut(model.scores[rows], facts["overlap"]["edges"], right=False).value_counts(sort=False)
        np.testing.assert_allclose(facts["overlap"]["shares"][arm], in_bins / rows.sum(), rtol=1e-12)
    weights = {label: ps.estimate(logs, outcome=OUTCOME, **ROLES, **cluster)[label] for label in ("IPW ATE",)}
    smds = ps.balance(logs, **ROLES, weights=weights).smd
    for row in facts["balance"]["terms"]:
        assert row["smd"]["unadjusted"] == smds.loc[row["term"], "unadjusted"]
        assert row["smd"]["IPW ATE"] == smds.loc[row["term"], "IPW ATE"]


def test_groups_and_hidden_confounding_of_the_facts_are_those_of_the_functions(logs, facts):
    cluster = {"cluster": "workspace_id"}
    effect = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster)
    grouped = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster, by="engagement_tier")
    (group,) = facts["groups"]
    assert group["p_equal"] == grouped.test_equal().p_value
    for row in group["rows"]:
        assert row["estimate"] == grouped.table.loc[row["group"], "estimate"]
    assert facts["sensitivity"]["point"] == effect.e_value().point
    assert facts["sensitivity"]["limit"] == effect.e_value().limit
    assert facts["question"]["n_treated"] == logs[TREATMENT].sum()
    assert facts["question"]["seed"] == 5


def test_every_number_of_the_page_is_that_of_the_facts(facts, page):
    shown = cells(page, "What each estimate rests on")
    points = cells(
        page,
        f"The raw gap (dashed) and the estimates of the effect on {OUTCOME}; "
        "the dashed line is no effect, in points of 100",
    )
    for row in facts["estimates"]:
        worth = [f"{row['ess_treated']:,.0f}", f"{row['ess_control']:,.0f}"]
        assert shown[row["label"]] == [written(row["std_error"]), *worth]
        _, estimate, interval, p = points[row["label"]]
        assert estimate == f"{100 * row['estimate']:+.1f} points"
        assert interval == f"{100 * row['conf_low']:.1f} to {100 * row['conf_high']:.1f}"
        assert p == written_p(row["p_value"])
    balance = cells(page, "Balance")
    for row in facts["balance"]["terms"]:
        for said, value in zip(balance[row["term"]][1:], row["smd"].values(), strict=True):
            assert float(said) == pytest.approx(value, abs=5.01e-4)
    groups = cells(page, f"Effect on {OUTCOME} in each group of engagement_tier, by AIPW")
    for row in facts["groups"][0]["rows"]:
        assert groups[row["group"]][1] == f"{100 * row['estimate']:+.1f} points"
    arms = cells(page, "Scores of both arms")
    for row in facts["overlap"]["arms"]:
        expected = [f"{row['n']:,}", *(written(row[q]) for q in ("5%", "50%", "95%"))]
        assert arms[row["arm"]][:4] == expected
    for sentence in facts["summary"]:
        assert sentence in html.unescape(page)


def test_facts_are_plain_and_can_be_written_as_json(facts, lalonde):
    for one in (facts, lalonde.to_dict()):
        assert json.loads(json.dumps(one, allow_nan=False)) == one


def test_page_is_small_and_soon_there(logs, tmp_path):
    study = ps.Study(logs, outcome=OUTCOME, **ROLES)
    started = time.process_time()
    path = study.report(tmp_path / "study.html")
    assert time.process_time() - started < 4  # of two seconds on a machine that does nothing else
    assert path.stat().st_size < 1_000_000


def test_page_fetches_nothing_and_runs_nothing(page):
    assert not re.search(r"https?://|src=|<script|<link|@import|url\(", page)


def test_what_data_contain_is_escaped_on_the_page_and_in_markdown(logs, tmp_path):
    names = {OUTCOME: "<b>done</b>", "engagement_tier": '"><script>alert(1)</script>', TREATMENT: "t & <i>"}
    df = logs[:5_000].rename(columns=names)
    tier = names["engagement_tier"]
    df[tier] = df[tier].replace({"light": "<img src=x onerror=alert(1)>"})
    study = ps.Study(
        df, outcome=names[OUTCOME], treatment=names[TREATMENT], covariates=[tier, "query_confidence"]
    )
    page = study.report(tmp_path / "study.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|<b>done|t & <i>|t &amp; <i>", page)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    markdown = study.to_markdown()
    lines = [line for line in markdown.splitlines() if not line.startswith("    ")]
    assert not re.search(r"(?<!\\)<(script|img|b|i)\b", "\n".join(lines))


def test_markdown_has_the_numbers_too(facts, study):
    said = study.to_markdown()
    assert said.startswith("# opt\\_in\\_agent\\_mode and task\\_completed")
    for row in facts["estimates"]:
        assert written(row["std_error"]).rstrip("0") in said
    assert facts["call"] in said


def test_call_makes_the_same_study_again(logs, study, facts):
    again = eval(facts["call"], {"ps": ps, "df": logs})
    assert again.effect.estimate == study.effect.estimate
    assert again.to_dict()["fingerprint"] == facts["fingerprint"]


def test_fingerprint_is_that_of_the_data(logs, library):
    few = logs[:3_000]
    expected = ps.Study(few, outcome=OUTCOME, **ROLES).to_dict()["fingerprint"]
    assert ps.Study(library(few), outcome=OUTCOME, **ROLES).to_dict()["fingerprint"] == expected
    other = few.assign(**{OUTCOME: 1 - few[OUTCOME]})
    assert ps.Study(other, outcome=OUTCOME, **ROLES).to_dict()["fingerprint"] != expected


def test_cautions_stand_on_the_page_in_full(lalonde, tmp_path):
    page = lalonde.report(tmp_path / "study.html").read_text(encoding="utf-8")
    cautions = lalonde.to_dict()["cautions"]
    assert cautions
    assert len(cautions) == len(set(cautions))
    for caution in cautions:
        assert html.escape(caution, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page


def test_groups_are_those_asked_for(study, facts):
    named = study.to_dict(by=["wave"])
    assert named["call"].endswith(".report(\"study.html\", by=['wave'])")
    assert study.to_dict(by="wave") == named
    assert ".report(" not in study.to_dict()["call"]
    assert [group["by"] for group in named["groups"]] == ["wave"]
    assert study.to_dict(by=[])["groups"] == []
    with pytest.raises(InvalidInputError, match="nobody"):
        study.by("nobody")


def test_groups_without_an_effect_are_left_out_with_the_reason(logs):
    few = logs[:4_000].assign(own=range(4_000))
    study = ps.Study(few, outcome=OUTCOME, **ROLES)
    found = study.to_dict(by=["own"])
    assert found["groups"] == []
    assert any(one.startswith("effects by own") for one in found["left_out"])


def test_report_without_jinja2_says_what_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r'pip install "propensity\[report\]"'):
        study.report(tmp_path / "study.html")


def test_report_that_cannot_be_written_is_an_error_of_the_system(study, tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        study.report(tmp_path / "nowhere" / "study.html")


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_have_the_contrast_of_wcag_aa(page):
    light, dark = re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for name in ("ink", "faint", "treated", "control", "good", "doubt", "bad"):
            for behind in ("paper", "panel"):
                one, other = sorted((luminance(colours[name]), luminance(colours[behind])))
                assert (other + 0.05) / (one + 0.05) >= 4.5, (name, behind)


@pytest.mark.skipif(browser.chromium() is None, reason="there is no Chromium")
def test_page_reads_in_a_browser(path, logs, tmp_path):
    long = logs[:4_000].rename(columns={"engagement_tier": "engagement_tier_of_the_last_quarter_" * 4})
    name = [column for column in long if column.startswith("engagement_tier_of")]
    study = ps.Study(long, outcome=OUTCOME, treatment=TREATMENT, covariates=[*name, "query_confidence"])
    pages = [path, study.report(tmp_path / "long.html")]
    overflowing = (
        "[...document.querySelectorAll('h1,h2,h3,p,li,dt,dd,pre,caption')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll')).length"
    )
    unnamed = "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.tHead).length"
    unlabelled = (
        "[...document.querySelectorAll('tbody tr')].filter(r => !r.querySelector('th[scope=row]')).length"
    )

    async def look(one):
        found = []
        for address in pages:
            for width in (360, 1100):
                await one.open(address, width)
                wide = await one.value("document.documentElement.scrollWidth")
                counts = [await one.value(code) for code in (overflowing, unnamed, unlabelled)]
                found.append((width, wide, counts, list(one.requests), address))
        return found

    for width, wide, counts, requests, address in browser.looked_at(look):
        assert wide <= width
        assert counts == [0, 0, 0]
        assert requests == [address.resolve().as_uri()]
