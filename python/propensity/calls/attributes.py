"""Names that nobody has are answered with those that are meant: of the package, of a module, of a result."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection

_OF_RESULTS = {
    "p_value": "pvalue p p_val pval p_values pvalues",
    "std_error": "se stderr std_err sd standard_error bse std",
    "conf_int": "ci confint conf_interval confidence_interval interval conf_low conf_high",
    "estimate": "effect ate att atc tau coef coefficient value point_estimate estimates params",
    "scores": "propensity ps pscore propensity_scores score propensity_score predict_proba",
    "weights": "weight w ipw iptw",
    "effect": "estimate ate att estimate_effect outcome",
    "table": "summary summary_table results to_pandas df dataframe frame data print",
    "to_frame": "summary summary_table results to_pandas df dataframe as_dataframe data",
    "contrast_as": "as_contrast ratio percent lift odds_ratio relative",
    "cautions": "warnings notes",
    "predict": "predict_proba transform",
    "means": "mean potential_outcomes pomeans",
    "keep": "mask index kept",
    "test_equal": "test heterogeneity",
}
"""By the name of what results have, what other packages call it."""

_OF_PACKAGE = {
    "match_nn": "match psm matching nearest_neighbor nearest_neighbors nn_match matchit",
    "match_full": "full_match full_matching fullmatch",
    "match_cem": "cem coarsened_exact_matching",
    "subclassify": "stratify subclass subclassification stratification",
    "fit_propensity": "propensity_score propensity propensity_scores fit pscore ps score logistic",
    "balancing_weights": "weights get_weights iptw_weights ip_weights ipw_weights",
    "ipw": "iptw weighting ip_weighting",
    "aipw": "dr doubly_robust dml drlearner",
    "regression_adjustment": "regression ra g_computation gcomp standardization outcome_regression",
    "fit_weights": "entropy_balance entropy_balancing ebal cbps",
    "estimate": "ate att effect estimate_effect compare",
    "balance": "bal_tab balance_table check_balance love_plot_data cobalt",
    "smd": "standardized_mean_difference standardized_difference std_diff",
    "datasets.lalonde": "load_lalonde lalonde load_data",
    "datasets.opt_in_logs": "opt_in_logs load_opt_in_logs",
    "plots.love_plot": "love_plot loveplot plot_balance",
    "plots.overlap_plot": "overlap_plot plot_overlap plot plot_scores",
    "plots.distribution_plot": "distribution_plot bal_plot plot_distribution",
    "plots.calibration_plot": "calibration_plot plot_calibration calibration_curve",
    "plots.effects_plot": "effects_plot forest_plot plot_effects",
    "NearestNeighbors": "NN nearestneighbors matching_specification",
    "matches.rosenbaum": "rosenbaum rosenbaum_bounds rbounds",
    "effect.test": "ttest t_test noninferiority equivalence tost",
    "sensitivity_bounds": "bounds marginal_sensitivity",
    "robustness_value": "sensemakr rv robustness",
}
"""By the name of what the package has, what other packages call it."""


def no_attribute(
    holder: str,
    name: str,
    there: Collection[str],
    words: dict[str, str] = _OF_RESULTS,
    line: Callable[[], str] | None = None,
) -> str:
    """Say that a result or a module has no such name, and which it has that is meant, where one is.

    Parameters
    ----------
    holder : str
        What was asked: "Effect", "module 'propensity'".
    name : str
    there : collection of str
        The names that it has.
    words : dict of str to str
        By a name, what it is called elsewhere.
    line : function, or None
        Writes the line that gives it all the same; empty where there is none.
    """
    said = f"{holder} has no attribute {name!r}"
    plain = name.lower()
    own = [meant for meant, others in words.items() if plain in others.split() and meant in there]
    instead = "" if own or line is None else line()
    if instead:
        return f"{said}; take {instead}"
    if not own:
        cutoff = 0.8 if plain in words else 0.7  # p_value, which others have, is no slip for values
        own = difflib.get_close_matches(plain, there, n=1, cutoff=cutoff)
    return f"{said}; it is called {own[0]}" if own else said


def no_name_of_the_package(name: str, there: Collection[str]) -> str:
    """Say that the package has no such name, and where what is meant is."""
    found = no_attribute("module 'propensity'", name, {*there, *_OF_PACKAGE}, _OF_PACKAGE)
    return (
        found.replace("; it is called ", "; it is called ps.")
        .replace("ps.matches.", "matches.")
        .replace("ps.effect.", "effect.")
    )
