"""Every public estimator and matching method, as something to make and a flat dict of numbers to read off it.

An answer is a dict by (kind, name). The kind says how a number has to move with a transformation:

estimate, error, ends (low, high)             in units of the outcome, free of its zero
draws, drawn error, drawn ends                the same, of resamples
mean                                          in units of the outcome
spread                                        the same, free of its zero: how much it varies
test                                          p-values, effective sizes, counts
smd, variance_ratio, column                   of covariates: differences, ratios, in units of the column
coefficient, coefficient_error                of the score model, in units of the column
coefficient_test                              its p-values
share                                         whatever is free of all units
weight, score, keep, part                     a Series by user; a part is which rows are together
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
from invariance_worlds import World

Answer = dict[tuple[str, str], Any]
WEIGHTING = ("ATE", "ATT", "ATC", "ATO", "ATM")
ADJUSTING = ("ATE", "ATT", "ATC")
ALL = ("ATT", "ATC", "ATE")
PAIRS = ("ATT", "ATC")


@dataclass(frozen=True)
class Estimator:
    """How a result is made in a world, for each of the estimands, and how numbers are read off it."""

    name: str
    make: Callable[[World, str], Any]
    read: Callable[[Any, World], Answer]
    estimands: tuple[str, ...] = ("",)
    takes_weights: bool = True

    def results(self, world: World) -> dict[str, Any]:
        """Make the result for each of the estimands."""
        return {estimand: self.make(world, estimand) for estimand in self.estimands}

    def numbers(self, results: Mapping[str, Any], world: World) -> Answer:
        """Read all numbers off the results."""
        return {
            (kind, f"{estimand} {name}".strip()): value
            for estimand, result in results.items()
            for (kind, name), value in self.read(result, world).items()
        }

    def answer(self, world: World) -> Answer:
        """Make and read."""
        return self.numbers(self.results(world), world)


def by_user(values: Any, world: World) -> pd.Series[Any]:
    """Name values, which are in the order of the rows, by their users."""
    return pd.Series(np.asarray(values), index=world.id)


def model(world: World, **options: Any) -> ps.PropensityModel:
    roles = world.roles(ps.fit_propensity)
    roles.pop("cluster", None)  # which is kept whole in folds, of which the logistic model has none
    return ps.fit_propensity(world.df, **roles, **options)


# Reading


def of_effect(effect: ps.Effect, world: World) -> Answer:
    return {
        ("estimate", "estimate"): effect.estimate,
        ("error", "std_error"): effect.std_error,
        ("ends", "conf_int"): np.array(effect.conf_int()),
        ("mean", "mean treated"): effect.mean_treated,
        ("mean", "mean control"): effect.mean_control,
        ("spread", "of the outcome"): effect.outcome_std_dev,
        ("test", "p_value"): effect.p_value,
        ("test", "fourth root of df"): effect.df**0.25,  # which is made of fourth powers of the influence
        ("test", "ess treated"): effect.ess_treated,
        ("test", "ess control"): effect.ess_control,
        ("weight", "weights"): by_user(effect.weights, world),
    }


def of_matched(result: Any, world: World, **options: Any) -> Answer:
    effect = of_effect(result.effect(world.df["y"], **options), world)
    return effect | {("weight", "of the matching"): by_user(result.weights, world)}


def of_subclasses(result: ps.Subclasses, world: World) -> Answer:
    return of_matched(result, world) | {("part", "subclass"): by_user(result.labels, world)}


def of_bootstrap(result: ps.BootstrapResult, world: World) -> Answer:
    answer: Answer = {("test", "failed"): int(result.n_failed.sum())}
    for label in result.estimates.index:
        answer |= {
            ("estimate", label): result.estimates[label],
            ("drawn error", label): result.std_errors[label],
            ("drawn ends", label): result.conf_int().loc[label].to_numpy(),
            ("draws", label): result.replicates[label].to_numpy(),
            ("error", f"{label} analytic"): result.analytic_std_errors[label],
        }
    return answer


def of_estimates(table: Any, world: World) -> Answer:
    table = getattr(table, "table", table)
    answer: Answer = {}
    for label, row in table.iterrows():
        answer |= {
            ("estimate", label): row["estimate"],
            ("error", label): row["std_error"],
            ("ends", label): row[["conf_low", "conf_high"]].to_numpy(dtype=float),
            ("test", f"{label} p_value"): row["p_value"],
            ("test", f"{label} ess treated"): row["ess_treated"],
            ("test", f"{label} ess control"): row["ess_control"],
        }
    return answer


def of_model(result: ps.PropensityModel, world: World) -> Answer:
    table = result.summary()
    answer: Answer = {
        ("score", "scores"): by_user(result.scores, world),
        ("score", "predicted"): by_user(result.predict(world.df), world),
        ("share", "auc"): result.auc,
    }
    for term, row in table.drop(index="Intercept").iterrows():
        answer |= {
            ("coefficient", term): row["estimate"],
            ("coefficient_error", term): row["std_error"],
            ("coefficient_test", f"{term} p_value"): row["p_value"],
        }
    return answer


def of_scores(result: ps.CrossFittedScores, world: World) -> Answer:
    return {
        ("score", "scores"): by_user(result.scores, world),
        ("share", "auc"): result.auc,
    }


def of_balance(balance: ps.Balance, world: World) -> Answer:
    table = balance.table
    kinds = {
        "smd": "smd",
        "variance_ratio": "variance_ratio",
        "mean_treated": "column",
        "mean_control": "column",
    }
    answer: Answer = {}
    for term, row in table.iterrows():
        for (sample, measure), value in row.items():
            name = f"{sample} {term} {measure.replace('_', ' ')}"
            answer[kinds.get(measure, "share"), name] = value
    for arm in ("treated", "control"):
        for sample, ess in table.attrs[f"ess_{arm}"].items():
            answer["test", f"{sample} ess {arm}"] = ess
    return answer


def of_smd(values: pd.Series[float], world: World) -> Answer:
    return {("smd", str(term)): value for term, value in values.items()}


def of_summary(table: pd.DataFrame, world: World) -> Answer:
    answer: Answer = {}
    for sample, row in table.iterrows():
        answer |= {
            ("test", f"{sample} ess treated"): row["ess_treated"],
            ("test", f"{sample} ess control"): row["ess_control"],
            ("test", f"{sample} worst"): abs(row["worst_smd"]),
            ("test", f"{sample} past"): row["n_past_smd"],
            ("test", f"{sample} worst product"): abs(row["worst_product_smd"]),
            ("test", f"{sample} products past"): row["n_past_product"],
        }
    return answer


def of_overlap(result: ps.Overlap, world: World) -> Answer:
    answer: Answer = {("share", "coefficient"): result.support["overlap_coefficient"].to_numpy()}
    for arm, row in result.quantiles.iterrows():
        answer |= {("share", f"outside {arm}"): row["outside"], ("test", f"n {arm}"): row["n"]}
    for (estimand, arm), row in result.weights.iterrows():
        for measure in ("ess", "ess_share", "largest_share", "top_percent_share"):
            answer["test", f"{estimand} {measure} {arm}"] = row[measure]
    return answer


def of_trimmed(result: ps.Trimmed, world: World) -> Answer:
    lost = {f"lost {arm}": row["share_dropped"] for arm, row in result.lost.iterrows()}
    return {("keep", "keep"): by_user(result.keep, world)} | {("test", k): v for k, v in lost.items()}


def of_weights(result: Any, world: World) -> Answer:
    return {("weight", "weights"): by_user(getattr(result, "weights", result), world)}


# Making


def effect(name: str, function: Any, estimands: tuple[str, ...], **options: Any) -> Estimator:
    """An estimator that is a function of a frame; `scores="model"` fits one first."""

    def make(world: World, estimand: str) -> ps.Effect:
        given = {"outcome": "y"} | options | world.roles(function)
        if given.get("scores") == "model":
            given["scores"] = model(world)
        return function(world.df, estimand=estimand, **given)

    return Estimator(name, make, of_effect, estimands)


BOOSTING = ps.Boosting(max_trees=20)
FOREST = ps.Forest(n_trees=100, min_leaf=25)


def out_of_sample(name: str, score_model: Any, read: Any, **options: Any) -> Estimator:
    """Scores of a model that has not seen the rows, or what is made with them."""

    def make(world: World, _: str) -> ps.CrossFittedScores:
        roles = world.roles(ps.fit_propensity, *(("cluster",) if score_model == FOREST else ()))
        return ps.fit_propensity(world.df, score_model=score_model, **options, **roles)

    return Estimator(name, make, read)


def _weighted_by(scores: ps.CrossFittedScores, world: World) -> Answer:
    return of_effect(ps.ipw(world.df, outcome="y", scores=scores, **world.roles(ps.ipw)), world)


def nearest(
    name: str,
    estimands: tuple[str, ...],
    *,
    read: Any = of_matched,
    scores: str = "model",
    takes_weights: bool = True,
    **options: Any,
) -> Estimator:
    def make(world: World, estimand: str) -> ps.Matches:
        on_columns = options.get("on") in ("mahalanobis", "euclidean")
        roles = world.roles(ps.match_nn, *(() if on_columns else ("covariates",)))
        given = {} if on_columns else {"scores": model(world) if scores == "model" else scores}
        return ps.match_nn(world.df, estimand=estimand, **given, **options, **roles)

    return Estimator(name, make, read, estimands, takes_weights)


def grouped(
    name: str, function: Any, *, read: Any = of_subclasses, takes_weights: bool = True, **options: Any
) -> Estimator:
    def make(world: World, estimand: str) -> ps.Subclasses:
        roles = world.roles(function, *(() if function is ps.match_cem else ("covariates",)))
        given = {} if function is ps.match_cem else {"scores": model(world)}
        return function(world.df, estimand=estimand, **given, **options, **roles)

    return Estimator(name, make, read, ALL, takes_weights)


def bootstrapped(
    name: str, estimators: list[Any], *, takes_weights: bool = True, **options: Any
) -> Estimator:
    def make(world: World, _: str) -> ps.BootstrapResult:
        given = (
            {"outcome": "y", "n_reps": 20, "seed": 1, "progress": False} | options | world.roles(ps.bootstrap)
        )
        return ps.bootstrap(world.df, estimators=estimators, **given)

    return Estimator(name, make, of_bootstrap, takes_weights=takes_weights)


def table(name: str, make: Callable[[World], Any], read: Callable[[Any, World], Answer]) -> Estimator:
    return Estimator(name, lambda world, _: make(world), read)


def _adjusted_for_bias(matches: ps.Matches, world: World) -> Answer:
    return of_matched(matches, world, bias_adjust=world.columns(world.covariates))


def _variance_from_three(matches: ps.Matches, world: World) -> Answer:
    return of_matched(matches, world, variance_neighbors=3)


def _bootstrap_of_matches(matches: ps.Matches, world: World) -> Answer:
    return of_bootstrap(matches.bootstrap(world.df["y"], n_reps=20, seed=1, progress=False), world)


def _rosenbaum(matched: ps.Matches | ps.Subclasses, world: World) -> Answer:
    found = matched.rosenbaum(world.df["y"], gammas=[1.0, 1.5])
    answer: Answer = {("test", "critical"): found.critical_gamma}
    for _, row in found.table.iterrows():
        gamma = row["gamma"]
        answer |= {
            ("test", f"p_lower {gamma}"): row["p_lower"],
            ("test", f"p_upper {gamma}"): row["p_upper"],
            ("ends", f"estimate {gamma}"): row[["estimate_low", "estimate_high"]].to_numpy(),
        }
    return answer


def _m_test_of_few_values(matched: ps.Matches | ps.Subclasses, world: World) -> Answer:
    """Of 0 and 1, for which several confounders may do as much: the same answer whichever comes first."""
    found = matched.rosenbaum(world.df["yes"], test="m", alternative="greater", gammas=[1.0, 1.5, 2.0])
    return {
        (kind, f"{name} {row.gamma}"): getattr(row, name)
        for row in found.table.itertuples()
        for kind, name in (
            ("test", "p_lower"),
            ("test", "p_upper"),
            ("share", "estimate_low"),
            ("share", "estimate_high"),
        )
    }


def robustness(name: str, estimator: Any) -> Estimator:
    def make(world: World, _: str) -> ps.RobustnessValue:
        roles = world.roles(ps.robustness_value)
        if estimator is None:
            roles.pop("cluster", None)
        return ps.robustness_value(
            world.df,
            outcome="y",
            estimator=estimator,
            multiples=[1],
            **roles,
            benchmarks=[world.covariates[0]],
        )

    return Estimator(name, make, _of_robustness)


def _of_robustness(found: ps.RobustnessValue, world: World) -> Answer:
    row = found.table.iloc[0]
    return {
        ("estimate", "estimate"): found.estimate,
        ("error", "std_error"): found.std_error,
        ("share", "value"): found.value,
        ("share", "value at alpha"): found.value_at_alpha,
        ("share", "r2 treatment"): row["r2_treatment"],
        ("share", "r2 outcome"): row["r2_outcome"],
        ("estimate", "left"): row["estimate"],
        ("ends", "left"): row[["conf_low", "conf_high"]].to_numpy(dtype=float),
    }


def bounded(name: str, estimators: list[Any], **options: Any) -> Estimator:
    def make(world: World, _: str) -> list[ps.SensitivityBounds]:
        given = {"gamma": [1.3], "n_reps": 20, "seed": 1, "progress": False} | options
        roles = world.roles(ps.sensitivity_bounds)
        return [
            ps.sensitivity_bounds(world.df, outcome="y", estimator=one, **given, **roles)
            for one in estimators
        ]

    return Estimator(name, make, _of_bounds)


def _of_bounds(results: list[ps.SensitivityBounds], world: World) -> Answer:
    answer: Answer = {}
    for found in results:
        row, label = found.table.iloc[0], found.estimator
        answer |= {
            ("estimate", label): found.estimate,
            ("ends", f"{label} bounds"): row[["lower", "upper"]].to_numpy(),
            ("drawn ends", f"{label} interval"): row[["conf_low", "conf_high"]].to_numpy(),
            ("test", f"{label} critical"): found.critical_gamma_of_estimate,
        }
    return answer


def _of_placebo(found: ps.Placebo, world: World) -> Answer:
    left_out = found.table.iloc[-1]
    return {
        ("estimate", "estimate"): found.table["estimate"].iloc[0],
        ("estimate", "without"): left_out["estimate"],
        ("error", "shift"): left_out["shift_std_error"],
        ("estimate", "shift"): left_out["shift"],
        ("share", "times"): left_out["times"],
        ("test", "p_value"): left_out["p_value"],
    }


def _placebo(world: World) -> ps.Placebo:
    return ps.placebo(world.df, outcome="y", leave_out=[world.covariates[0]], **world.roles(ps.placebo))


def _placebo_of_few_values(world: World) -> ps.Placebo:
    """Of 0 and 1: many rows are alike in all but what is left out."""
    spec = ps.AIPW(n_folds=3)
    roles = world.roles(ps.placebo)
    return ps.placebo(world.df, outcome="yes", leave_out=[world.covariates[0]], estimator=spec, **roles)


def _weights(world: World) -> Any:
    return ps.balancing_weights(
        world.df, scores=model(world), **world.roles(ps.balancing_weights), estimand="ATE"
    )


def balancing(name: str, estimands: tuple[str, ...], *, read: Any = of_matched, **options: Any) -> Estimator:
    def make(world: World, estimand: str) -> ps.BalancingWeights:
        return ps.fit_weights(world.df, estimand=estimand, **options, **world.roles(ps.fit_weights))

    return Estimator(name, make, read, estimands)


def _weighted(world: World, estimand: str) -> ps.Effect:
    bounded = ps.truncate(model(world), estimand=estimand, upper=0.9)
    return ps.weighted_effect(world.df, outcome="y", weights=bounded, **world.roles(ps.weighted_effect))


def _balance(world: World) -> ps.Balance:
    scores = model(world)
    weightings = {
        "weighted": ps.balancing_weights(world.df, scores=scores, **world.roles(ps.balancing_weights)),
        "matched": ps.match_nn(
            world.df, scores=scores, estimand="ATE", **world.roles(ps.match_nn, "covariates")
        ),
    }
    return ps.balance(world.df, scores=scores, weights=weightings, **world.roles(ps.balance))


def _estimate(world: World) -> Any:
    kinds = (ps.IPW, ps.AIPW, ps.IPWRA, ps.RegressionAdjustment, ps.Balancing)
    specs = [kind(estimand) for kind in kinds for estimand in ADJUSTING]
    return ps.estimate(world.df, outcome="y", estimators=specs, **world.roles(ps.estimate))


ESTIMATORS = {
    estimator.name: estimator
    for estimator in (
        effect("ipw of a column", ps.ipw, WEIGHTING, scores="e"),
        effect("ipw", ps.ipw, WEIGHTING, scores="model"),
        effect("ipw truncated", ps.ipw, WEIGHTING, scores="model", truncate=0.9),
        Estimator("weighted_effect", _weighted, of_effect, WEIGHTING),
        effect("aipw", ps.aipw, ADJUSTING),
        effect("aipw logistic", ps.aipw, ADJUSTING, outcome="yes", outcome_model="logistic"),
        effect("aipw cross-fitted", ps.aipw, ADJUSTING, n_folds=3),
        effect("aipw of a column", ps.aipw, ADJUSTING, scores="e"),
        effect("aipw boosted", ps.aipw, ADJUSTING, score_model=BOOSTING, outcome_model=BOOSTING, n_folds=3),
        effect("aipw poisson", ps.aipw, ADJUSTING, outcome="yes", outcome_model="poisson"),
        effect("ipwra", ps.ipwra, ADJUSTING),
        effect("ipwra logistic", ps.ipwra, ADJUSTING, outcome="yes", outcome_model="logistic"),
        effect("regression_adjustment", ps.regression_adjustment, ADJUSTING),
        effect(
            "regression_adjustment logistic",
            ps.regression_adjustment,
            ADJUSTING,
            outcome="yes",
            outcome_model="logistic",
        ),
        nearest("1-NN", ALL),
        nearest("1-NN variance from 3", ALL, read=_variance_from_three),
        nearest("1-NN of a column", ALL, scores="e"),
        nearest("3-NN", ALL, n_neighbors=3, on="logit"),
        nearest("1-NN caliper", ALL, caliper=0.2),
        nearest("1-NN exact", ALL, exact=["plan"]),
        nearest("1-NN mahalanobis", ALL, on="mahalanobis"),
        nearest("1-NN euclidean", ALL, on="euclidean"),
        nearest("1-NN bias_adjust", ALL, read=_adjusted_for_bias),
        nearest("1-NN max_reuse", ALL, max_reuse=3),
        nearest("pairs", PAIRS, replace=False),
        nearest("pairs of a column", PAIRS, scores="e", replace=False),
        nearest("pairs optimal", PAIRS, replace=False, method="optimal"),
        grouped("match_full", ps.match_full),
        grouped("match_cem", ps.match_cem, cutpoints=4),
        grouped("subclassify", ps.subclassify, n_subclasses=5),
        bootstrapped("bootstrap IPW", [ps.IPW(estimand) for estimand in WEIGHTING]),
        bootstrapped("bootstrap IPW truncated", [ps.IPW(estimand, truncate=0.9) for estimand in WEIGHTING]),
        bootstrapped("bootstrap AIPW", [ps.AIPW(estimand) for estimand in ADJUSTING]),
        bootstrapped("bootstrap IPWRA", [ps.IPWRA(estimand) for estimand in ADJUSTING]),
        bootstrapped("bootstrap regression", [ps.RegressionAdjustment(estimand) for estimand in ADJUSTING]),
        bootstrapped(
            "bootstrap logistic",
            [
                kind(estimand, "logistic")
                for kind in (ps.AIPW, ps.IPWRA, ps.RegressionAdjustment)
                for estimand in ADJUSTING
            ],
            outcome="yes",
        ),
        bootstrapped(
            "bootstrap 1-NN", [ps.NearestNeighbors("ATT"), ps.NearestNeighbors("ATC")], takes_weights=False
        ),
        nearest("Matches.bootstrap", ALL, read=_bootstrap_of_matches, takes_weights=False),
        nearest("pairs rosenbaum", PAIRS, read=_rosenbaum, takes_weights=False, replace=False),
        grouped("match_full rosenbaum", ps.match_full, read=_rosenbaum, takes_weights=False),
        grouped(
            "subclassify rosenbaum", ps.subclassify, read=_rosenbaum, takes_weights=False, n_subclasses=5
        ),
        grouped("match_full m", ps.match_full, read=_m_test_of_few_values, takes_weights=False),
        bounded("sensitivity_bounds", [kind(whom) for kind in (ps.IPW, ps.AIPW) for whom in ADJUSTING]),
        bounded("sensitivity_bounds sharp", [ps.AIPW(whom) for whom in ADJUSTING], sharp=True),
        table("placebo", _placebo, _of_placebo),
        table("placebo cross-fitted", _placebo_of_few_values, _of_placebo),
        robustness("robustness_value", None),
        robustness("robustness_value aipw", ps.AIPW()),
        balancing("fit_weights", ADJUSTING),
        balancing("fit_weights cbps", ("ATE",), method="cbps"),
        balancing("fit_weights ipt", ("ATE",), method="ipt"),
        balancing("fit_weights penalized", ADJUSTING, penalty=1.0),
        balancing("fit_weights bootstrapped", ADJUSTING, read=_bootstrap_of_matches),
        bootstrapped(
            "bootstrap balancing",
            [
                *(ps.Balancing(estimand) for estimand in ADJUSTING),
                ps.Balancing("ATE", "cbps"),
                ps.Balancing("ATE", "ipt"),
            ],
        ),
        table("fit_propensity", model, of_model),
        table("fit_propensity penalized", lambda world: model(world, penalty=1.0), of_model),
        out_of_sample("fit_propensity cross-fitted", "logistic", of_scores, n_folds=3),
        out_of_sample("fit_propensity boosted", BOOSTING, of_scores, n_folds=3, n_repeats=2),
        out_of_sample("fit_propensity forest", FOREST, of_scores),
        out_of_sample("ipw boosted", BOOSTING, _weighted_by, n_folds=3),
        table("balancing_weights", _weights, of_weights),
        table("truncate", lambda world: ps.truncate(_weights(world), upper=0.95), of_weights),
        table(
            "trim",
            lambda world: ps.trim(world.df, scores=model(world), bounds=(0.2, 0.8), **world.roles(ps.trim)),
            of_trimmed,
        ),
        table(
            "trim crump",
            lambda world: ps.trim(world.df, scores=model(world), bounds="crump", **world.roles(ps.trim)),
            of_trimmed,
        ),
        table(
            "overlap",
            lambda world: ps.overlap(world.df, scores=model(world), **world.roles(ps.overlap)),
            of_overlap,
        ),
        table("smd", lambda world: ps.smd(world.df, weights=_weights(world), **world.roles(ps.smd)), of_smd),
        table("balance", _balance, of_balance),
        table("balance_summary", lambda world: ps.balance_summary(_balance(world)), of_summary),
        table("estimate", _estimate, of_estimates),
    )
}
