"""Cells of the table of invariances that do not hold yet, each to go when its cause does."""

FAILING: dict[str, dict[str, str]] = {
    "weight 2 = row twice": {
        "subclassify": "all",
        "balance": "all",
    },
    "weight 0 = row dropped": {
        "balance": "all",
    },
    "arms swapped": {
        "pairs optimal": "ties, whole weights and ties",
        "match_full": "ties, whole weights and ties",
    },
}

FAILING_AFTERWARDS: dict[str, tuple[str, ...]] = {
    "test_redundant_column_is_told": (
        "aipw cross-fitted",
        "regression_adjustment",
        "regression_adjustment logistic",
        "bootstrap IPW",
        "bootstrap AIPW",
        "bootstrap IPWRA",
        "bootstrap regression",
        "bootstrap logistic",
        "bootstrap 1-NN",
    ),
}
