"""Balance is judged of what was just done, whatever it was: one threshold, every level, every product."""

import itertools

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.effects import imbalance
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.imbalance import find_imbalance
from propensity.errors import BalanceWarning
from propensity.frames.design import Design


def plain_smd(x, treated, weights, sample_weight=None):
    """Difference of weighted means over the root of the mean of the arms' variances as they are."""
    s = np.ones(len(x)) if sample_weight is None else sample_weight
    means = [np.average(x[arm], weights=weights[arm]) for arm in (treated, ~treated)]
    variances = []
    for arm in (treated, ~treated):
        p = s[arm] / s[arm].sum()
        middle = p @ x[arm]
        binary = np.isin(x, (0, 1)).all()
        variances.append(middle * (1 - middle) if binary else p @ (x[arm] - middle) ** 2 / (1 - (p**2).sum()))
    return (means[0] - means[1]) / np.sqrt(np.mean(variances))


def plain_error(x, treated, weights):
    """Standard error of the SMD: sqrt of the sum of w^2 (x - m)^2 over (sum w)^2, arm by arm."""
    variance = 0.0
    for arm in (treated, ~treated):
        w = weights[arm] / weights[arm].sum()
        variance += (w**2 * (x[arm] - w @ x[arm]) ** 2).sum()
    return np.sqrt(variance / np.mean([x[arm].var() for arm in (treated, ~treated)]))


def beyond_means(columns):
    """What columns have beyond their means, of which squares and products are made."""
    return {name: values - values.mean() for name, values in columns.items()}


def plain_imbalance(columns, origins, treated, weights):
    """What is past the threshold by the definition: terms, and squares and products."""
    names, beyond = list(columns), beyond_means(columns)
    terms = {name: plain_smd(x, treated, weights) for name, x in columns.items()}
    ess = [weights[arm].sum() ** 2 / (weights[arm] ** 2).sum() for arm in (treated, ~treated)]
    even = max(0.1, 4 * np.sqrt(1 / ess[0] + 1 / ess[1]))
    products = {}
    for one, other in itertools.combinations_with_replacement(names, 2):
        if one == other and not np.isin(columns[one], (0, 1)).all():
            products[f"{one}^2"] = beyond[one] ** 2
        elif one != other and origins[one] != origins[other]:
            products[f"{one}:{other}"] = beyond[one] * beyond[other]
    found = {name: plain_smd(x, treated, weights) for name, x in products.items()}
    return (
        {name: smd for name, smd in terms.items() if abs(smd) > 0.1},
        {
            name: smd
            for name, smd in found.items()
            if abs(smd) > max(even, 4 * plain_error(products[name], treated, weights))
        },
        len(products),
    )


def world(n, seed, *, skewed=False):
    rng = np.random.default_rng(seed)
    a, b = 30 + rng.normal(size=n), rng.exponential(size=n)
    c = (rng.random(n) < 0.3).astype(float)
    treated = rng.random(n) < 1 / (1 + np.exp(1 - 0.6 * (a - 30) - 0.4 * (a - 30) ** 2 + 0.5 * b * c))
    weights = rng.exponential(size=n) ** (3 if skewed else 1)
    return {"a": a, "b": b, "c": c}, treated, weights


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize(("n", "look"), [(400, 10_000), (20_000, 10_000), (20_000, 2_000), (20_000, 300)])
def test_what_is_found_by_a_look_is_what_all_rows_say(monkeypatch, n, look, skewed):
    monkeypatch.setattr(imbalance, "_LOOK", look)
    columns, treated, weights = world(n, seed=n + look, skewed=skewed)
    ess = [weights[arm].sum() ** 2 / (weights[arm] ** 2).sum() for arm in (treated, ~treated)]
    balance_terms = BalanceTerms(
        tuple(columns), Design(np.asfortranarray(np.column_stack(list(columns.values())))), (0, 1, 2)
    )
    found = find_imbalance(balance_terms, treated, weights, ess=tuple(ess))
    terms, products, n_products = plain_imbalance(columns, {"a": 0, "b": 1, "c": 2}, treated, weights)
    assert (found.n_past, found.n_terms) == (len(terms), 3)
    assert (found.n_past_products, found.n_products) == (len(products), n_products)
    worst = sorted({**terms, **products}.items(), key=lambda item: -abs(item[1]))[:3]
    assert [name for name, _, _ in found.worst] == [name for name, _ in worst]
    assert [smd for _, smd, _ in found.worst] == pytest.approx([smd for _, smd in worst], rel=1e-9)
    before = [plain_smd(_values(columns, name), treated, np.ones(n)) for name, _ in worst]
    assert [smd for _, _, smd in found.worst] == pytest.approx(before, rel=1e-9)


def _values(columns, name):
    beyond = beyond_means(columns)
    if name.endswith("^2"):
        return beyond[name[:-2]] ** 2
    parts = name.split(":")
    return np.prod([beyond[part] for part in parts], axis=0) if len(parts) > 1 else columns[name]


@pytest.fixture(scope="module")
def lalonde():
    return ps.datasets.lalonde()


ROLES = {"outcome": "re78", "treatment": "treat"}


@pytest.fixture(scope="module")
def known(lalonde):
    return [name for name in lalonde if name not in {"treat", "re78"}]


def past(df, covariates, weights):
    table = ps.smd(df, treatment="treat", covariates=covariates, weights=weights)
    return table[table.abs() > 0.1]


def messages(caught):
    return [str(one.message) for one in caught if one.category is BalanceWarning]


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
@pytest.mark.parametrize("estimate", ["ipw", "aipw", "ipwra"])
def test_weighting_is_judged_by_every_level_of_its_terms(lalonde, known, estimate):
    model = ps.fit_propensity(lalonde, treatment="treat", covariates=known)
    options = {"scores": model} if estimate == "ipw" else {"covariates": known}
    with pytest.warns(BalanceWarning) as caught:
        effect = getattr(ps, estimate)(lalonde, **ROLES, **options)
    (words,) = messages(caught)
    assert caught[0].filename == __file__
    found = past(lalonde, known, effect)
    options = {"treatment": "treat", "covariates": known, "weights": effect}
    products = pd.Series(ps.balance(lalonde, **options).attrs["products"]["adjusted"])
    assert products.abs().idxmax() == "age^2"  # the trained are of an age
    worst = found.abs().idxmax()
    assert words.startswith("after weighting for the ATE the arms still differ by more than 0.1 standard")
    assert (
        f"in age^2 {products['age^2']:+.2f} (before: -0.51), {worst} {found[worst]:+.2f} (before: " in words
    )
    assert f"{len(found)} of {len(ps.smd(lalonde, treatment='treat', covariates=known))} terms" in words
    assert "caliper" not in words
    assert words in [str(caution) for caution in effect.cautions]
    assert words in repr(effect)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_estimates_with_outcome_models_are_not_sent_to_outcome_models(lalonde, known):
    roles = {"outcome": "re78", "treatment": "treat", "covariates": known}
    for estimate in (ps.aipw, ps.ipwra):
        with pytest.warns(BalanceWarning) as caught:
            estimate(lalonde, **roles)
        (words,) = messages(caught)
        assert "the outcome models have to adjust for it" in words
        assert "weighting alone" not in words
    with pytest.warns(BalanceWarning) as caught:
        table = ps.estimate(lalonde, **roles)
    told = [words.partition(" the arms still")[0] for words in messages(caught)]
    # What is wrong is told once.
    assert told == [
        "after weighting for the ATE",
        "after weighting for the ATT",
        "after balancing for the ATT",
    ]
    assert "(aipw, ipwra)" in table.loc["IPW ATE", "note"]
    assert "(aipw, ipwra)" not in table.loc["AIPW ATE", "note"]


@pytest.mark.parametrize(
    ("match", "advice"),
    [
        (
            lambda df, model, _: ps.match_nn(df, treatment="treat", scores=model),
            "try a caliper on 'age' (caliper={'age': 0.2}), or on the scores (caliper=0.2), or matches",
        ),
        (
            lambda df, model, _: ps.match_nn(df, treatment="treat", scores=model, caliper=2.0),
            "try a narrower caliper, or one on 'age' beside it (caliper={'scores': 2.0, 'age': 0.2}), or",
        ),
        (
            lambda df, model, _: ps.match_full(df, treatment="treat", scores=model),
            "try a caliper on 'age' (caliper={'age': 0.2}), or on the scores (caliper=0.2), and then look at",
        ),
        (
            lambda df, model, _: ps.subclassify(df, treatment="treat", scores=model, n_subclasses=3),
            "take more subclasses",
        ),
        (
            lambda df, model, _: ps.subclassify(df, treatment="treat", scores=model, n_subclasses=60),
            "of the 60 subclasses asked for, and more of them do little: take aipw",
        ),
        (
            lambda df, _, known: ps.match_cem(df, treatment="treat", covariates=known, cutpoints=1),
            "take finer cutpoints",
        ),
    ],
    ids=["1-NN", "1-NN in a caliper", "full", "subclasses", "merged subclasses", "CEM"],
)
def test_matching_is_judged_whatever_the_method(lalonde, known, match, advice):
    model = ps.fit_propensity(lalonde, treatment="treat", covariates=known)
    with pytest.warns(BalanceWarning) as caught:
        matched = match(lalonde, model, known)
    (words,) = messages(caught)
    assert caught[0].filename == __file__
    assert advice in words
    found = past(lalonde, known, matched)
    scores = ps.smd(
        lalonde.assign(e=np.asarray(model.scores)), treatment="treat", covariates=["e"], weights=matched
    )
    n = len(found) + int("CEM" not in words and "cutpoints" not in words and abs(scores["e"]) > 0.1)
    assert f"({n} of " in words
    assert words in [str(caution) for caution in matched.effect(lalonde["re78"]).cautions]
    assert words in repr(matched)


def test_an_estimate_that_is_adjusted_is_not_told_to_adjust(lalonde, known):
    model = ps.fit_propensity(lalonde, treatment="treat", covariates=known)
    with pytest.warns(BalanceWarning, match="bias_adjust= of effect"):
        matches = ps.match_nn(lalonde, treatment="treat", scores=model)
    (caution,) = matches.effect(lalonde["re78"], bias_adjust=lalonde[["age"]]).cautions
    assert "bias_adjust= of effect" not in str(caution)
    assert "bias_adjust= takes off what its covariates foretell" in str(caution)


def test_squares_are_looked_at_where_means_are_balanced_exactly():
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    treated = rng.random(4000) < 1 / (1 + np.exp(1 - x**2))
    df = pd.DataFrame({"x": x, "t": treated, "y": rng.normal(size=4000)})
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    with pytest.warns(BalanceWarning, match=r"in x\^2 \+.*\(1 of 1 squares and products\)") as caught:
        ps.ipw(df, outcome="y", treatment="t", scores=model, estimand="ATO")
    assert "squares and products of terms in the score model balance more" in str(caught[0].message)
    richer = ps.fit_propensity(df, treatment="t", covariates="x + I(x**2)")
    assert ps.ipw(df, outcome="y", treatment="t", scores=richer, estimand="ATO").cautions == ()


def test_chance_alone_is_no_imbalance_of_products():
    rng = np.random.default_rng(6)
    for _ in range(20):
        x = rng.normal(size=(600, 6))
        df = pd.DataFrame(x, columns=list("abcdef")).assign(t=rng.random(600) < 0.5, y=x.sum(axis=1))
        model = ps.fit_propensity(df, treatment="t", covariates=list("abcdef"))
        assert ps.ipw(df, outcome="y", treatment="t", scores=model).cautions == ()


def test_first_levels_are_judged_too():
    rng = np.random.default_rng(7)
    df = pd.DataFrame({"tier": rng.choice(["a", "b"], 900), "t": rng.random(900) < 0.5})
    x = (df["tier"] == "b").to_numpy(dtype=float)[:, None]
    recipe = ps.fit_propensity(df, treatment="t", covariates=["tier"]).recipe
    balance_terms = BalanceTerms.of_terms(np.asfortranarray(x), recipe)
    assert list(balance_terms.all_names) == ["tier[b]", "tier[a]"]
    np.testing.assert_array_equal(balance_terms.column(1), 1 - x[:, 0])
    np.testing.assert_array_equal(balance_terms.some(np.arange(5))[1], 1 - x[:5, 0])


def test_sample_weights_are_in_the_weights_that_are_judged(lalonde, known):
    df = lalonde.assign(w=1.0 + np.arange(len(lalonde)) % 4)
    model = ps.fit_propensity(df, treatment="treat", covariates=known, sample_weight="w")
    with pytest.warns((BalanceWarning, ps.errors.OverlapWarning)) as caught:
        effect = ps.ipw(df, **ROLES, scores=model, sample_weight="w")
    (words,) = messages(caught)
    treated, w = df["treat"].to_numpy() == 1, np.asarray(effect.weights)
    smds = {
        name: plain_smd(df[name].to_numpy(dtype=float), treated, w, df["w"].to_numpy())
        for name in known
        if df[name].dtype.kind in "if"
    }
    worst = max(smds, key=lambda name: abs(smds[name]))
    assert f"{worst} {smds[worst]:+.2f} (before" in words


def test_products_beyond_the_range_of_numbers_are_passed_over():
    rng = np.random.default_rng(8)
    df = pd.DataFrame({"a": 1e140 * rng.normal(size=900), "b": 1e-140 * rng.normal(size=900)})
    df["t"] = rng.random(900) < 0.5
    df["y"] = rng.normal(size=900)
    model = ps.fit_propensity(df, treatment="t", covariates=["a", "b"])
    assert ps.ipw(df, outcome="y", treatment="t", scores=model).cautions == ()
