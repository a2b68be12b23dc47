"""What the field, and older versions of this package, call arguments."""

from __future__ import annotations

OTHER_WORDS: dict[str, str] = {
    "outcome": "y response dependent endog outcomes outcome_name metric",
    "treatment": "t treat d treated exposure opt_in group_col intervention treatment_name",
    "covariates": "x xs covs covariate confounders common_causes controls features predictors formula exog",
    "scores": "ps propensity propensities propensity_score propensity_scores pscore p_score score e model",
    "estimand": "effect target_estimand target_population population target_units",
    "n_neighbors": "k ratio neighbors n_neighbours num_neighbors m n_matches matches_per_unit",
    "on": "distance metric link space dist",
    "replace": "replacement with_replacement",
    "max_reuse": "reuse_max max_uses",
    "order": "m_order",
    "method": "search algorithm",
    "caliper_unit": "std_caliper caliper_scale",
    "exact": "exact_on exact_match",
    "resampling": "weights",
    "n_reps": "n_boot nboot b r reps n_bootstrap n_bootstraps n_resamples bootstraps n_iter n_sim n_samples "
    "replications n_replicates",
    "seed": "random_state rng random_seed",
    "n_threads": "n_jobs n_cores cores threads num_threads num_workers n_workers",
    "progress": "verbose show_progress tqdm progress_bar",
    "per": "denominator divide_by divided_by ratio_of",
    "gammas": "gamma",
    "gamma": "gammas",
    "level": "ci conf alpha confidence confidence_level conf_level cl",
    "penalty": "c alpha l2 ridge lambda_ lam regularization reg_lambda",
    "n_folds": "cv folds n_splits cross_fit n_cross_fit k_folds",
    "cluster": "clusters cluster_id cluster_col cluster_by groups group",
    "strata": "stratify stratum block blocks",
    "sample_weight": "weights weight w sample_weights survey_weight survey_weights pweights s_weights "
    "sampling_weights weight_col",
    "weights": "sample_weights weight w",
    "n_subclasses": "n_strata n_bins bins subclass subclasses n_quantiles",
    "cutpoints": "cuts bins breaks",
    "contrast": "effect_measure scale measure",
    "bias_adjust": "bias_adjustment bias_adj bias_corr bias_correction",
    "outcome_model": "model_y outcome_learner",
    "score_model": "model model_t propensity_model learner classifier estimator clf",
    "n_repeats": "n_rep repeats repetitions n_splits_repeats",
    "n_trees": "n_estimators num_trees ntree trees",
    "min_leaf": "min_samples_leaf nodesize min_node_size",
    "always": "keep forced force_in unpenalized include",
    "estimators": "estimator methods",
    "kind": "method type ci_type",
    "refit": "rematch",
    "n_users": "n size n_rows",
    "by": "group groups hue",
    "df": "data frame table",
}
"""By the name of an argument, what the field and older versions call it, in small letters."""


def is_called(word: str, name: str) -> bool:
    """Whether a word is another for an argument, or that itself."""
    return word == name or word.lower() in OTHER_WORDS.get(name, "").split()
