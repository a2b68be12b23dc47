"""What balancing weights balance: terms, their squares and products, and the fit of the weights to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from propensity import core
from propensity.balance.products import products_by_name
from propensity.effects.arms import Means
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.estimators import Balancing
from propensity.errors import InfeasibleError
from propensity.frames.checks import Bools, Floats
from propensity.frames.counted_rows import CountedRows
from propensity.frames.design import Design
from propensity.frames.products import centers, product
from propensity.frames.recipe import Recipe
from propensity.results.read_only import ReadOnly
from propensity.scores.scored import warn_of_left_out

_NAMED = 5

_WHOSE_MEAN = {"ATE": "everybody's mean", "ATT": "the treated's mean", "ATC": "the controls' mean"}


@dataclass(frozen=True, eq=False)
class BalancedTerms(ReadOnly):
    """The terms (n, d), and what they are called: as `balance` calls them.

    Attributes
    ----------
    names : tuple of str
    x : ndarray (n, d)
    empty : tuple of str
        Terms without a column.
    looked_at : BalanceTerms
        What balance is asked of: the terms but for products, and the squares and products of these.
    """

    names: tuple[str, ...]
    x: Floats
    empty: tuple[str, ...]
    looked_at: BalanceTerms

    @classmethod
    def of(cls, x: Floats, recipe: Recipe, spec: Balancing, sample_weight: Floats | None) -> BalancedTerms:
        """Take terms as they are, and those squares and products of them that are asked for.

        Terms are measured from their means over all rows before they are multiplied. Where balance is exact
        it is that of any products of them, for the terms are balanced too; a penalty, which is for each
        column, would take away from a product of the terms as they are just what is its own.
        """
        looked_at = BalanceTerms.of_terms(x, recipe)
        recipe = replace(recipe, names=looked_at.names)
        squares, interactions = spec.moments == 2, spec.interactions
        products = products_by_name(Design(x), recipe, squares=squares, interactions=interactions)
        if not products:
            return cls(recipe.names, x, recipe.empty, looked_at)
        columns = np.empty((len(x), x.shape[1] + len(products)), order="F")
        columns[:, : x.shape[1]] = x
        center = centers(Design(x), sample_weight)
        for k, (one, other) in enumerate(products.values(), start=x.shape[1]):
            columns[:, k] = product(x[:, one], x[:, other], center[one], center[other])
        return cls((*recipe.names, *products), columns, recipe.empty, looked_at)

    def of_rows(self, rows: CountedRows | None) -> BalancedTerms:
        """Give those of cells to rows of them, of one value each; of users as they are."""
        return self if rows is None else replace(self, x=np.asfortranarray(rows.by_row(self.x)))

    def fit(
        self,
        treated: Bools,
        sample_weight: Floats | None,
        spec: Balancing,
        n_threads: int | None = None,
        frequency: Floats | None = None,
    ) -> core.BalancingWeights:
        """Find the weights, of one user each where rows stand for several.

        Raises
        ------
        InfeasibleError
            There are none; it names the terms.
        """
        try:
            return core.fit_weights(
                self.x,
                treated,
                estimand=spec.estimand,
                method=spec.method,
                penalty=spec.penalty,
                sample_weight=sample_weight,
                frequency=frequency,
                n_threads=n_threads,
            )
        except InfeasibleError as error:
            names = [self.names[column] for column in error.columns]
            message = infeasible(names, error.treated, spec)
            raise InfeasibleError(message, error.columns, error.treated) from None

    def dropped(self, found: core.BalancingWeights) -> tuple[str, ...]:
        """Name the terms without a column, and those that earlier ones repeat."""
        return (*self.empty, *(self.names[column] for column in found.dropped))

    def warn_of_dropped(self, found: core.BalancingWeights) -> None:
        """Warn of terms that are left out."""
        warn_of_left_out(self.dropped(found))

    def effect(
        self,
        outcome: Floats,
        treated: Bools,
        weights: Floats,
        sample_weight: Floats | None,
        spec: Balancing,
        frequency: Floats | None = None,
    ) -> Means:
        """Compare the weighted means of an outcome."""
        found = core.balanced_effect(
            outcome,
            treated,
            weights,
            self.x,
            estimand=spec.estimand,
            method=spec.method,
            penalty=spec.penalty,
            sample_weight=sample_weight,
            frequency=frequency,
        )
        return Means(
            found.mean_treated,
            found.mean_control,
            found.influence_treated,
            found.influence_control,
            difference=found.estimate,
        )


def infeasible(names: Sequence[str], treated: bool | None, spec: Balancing) -> str:
    """Say which terms no weights balance, and what to do."""
    others = f" (and {len(names) - _NAMED:,} others)" if len(names) > _NAMED else ""
    terms = ", ".join(names[:_NAMED]) + others
    at_least_1 = " of at least 1" if spec.estimand == "ATE" and spec.method != "entropy" else ""
    if treated is None:
        problem = f"no weights{at_least_1} let the arms meet in {terms}"
    else:
        arm, whose = "treated" if treated else "control", _WHOSE_MEAN[spec.estimand]
        problem = f"no weights{at_least_1} of the {arm} rows reach {whose} of {terms}"
    near = "penalty=1.0, which comes as near as can be, or ipw with estimand='ATO'"
    remedies = f"leave terms out, take {near}"
    if treated is not None and spec.estimand == "ATE":
        weighed = (
            "estimand='ATT', which weighs the controls"
            if treated
            else "estimand='ATC', which weighs the treated"
        )
        remedies = f"leave terms out, take {weighed} alone, {near}"
    if at_least_1:
        remedies = f"take method='entropy', which lets weights be smaller, {remedies}"
    return f"{problem}: {remedies}"
