"""Weights that balance the means of terms exactly: entropy balancing and its kin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.arms import Weighting, weights_name
from propensity.effects.cautions import balance_cautions, balanced_cautions, count_cautions
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AdjustmentEstimand, Balancing, BalancingMethod
from propensity.effects.grouped import GroupedEffects
from propensity.effects.imbalance import find_imbalance
from propensity.effects.metrics import Measured
from propensity.effects.sample import Sample, read_sample_weight, warn_once
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import open_frame
from propensity.frames.counted_rows import mass_of, require_users
from propensity.frames.formulas import INTERCEPT
from propensity.frames.grouping import Grouping
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, make_terms, parse_covariates
from propensity.frames.tidied_frame import tidied
from propensity.frames.tidying import Missing, Tidying
from propensity.scores.scored import ScoreRows
from propensity.weighting.balanced_effects import SE_METHOD
from propensity.weighting.balanced_groups import BalancedRows
from propensity.weighting.balanced_terms import BalancedTerms
from propensity.weighting.balancing_weights import BalancingWeights

_PRODUCTS = (
    "weights are biased by it where the outcome hangs on it: balance it too (moments=2, interactions=True, "
    "or a formula), or adjust for it (aipw)"
)
_PENALTY = (
    "an estimate is biased by it: a smaller penalty leaves less, if there are weights that balance; or "
    "adjust for it (aipw)"
)


@columns_by_name
@takes_cells()
def fit_weights(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    estimand: AdjustmentEstimand = "ATT",
    method: BalancingMethod = "entropy",
    penalty: float = 0.0,
    sample_weight: object = None,
    moments: int = 1,
    interactions: bool = False,
    n_threads: int | None = None,
) -> BalancingWeights:
    """Weigh each row so that both groups have the very same means of all terms.

    No propensity score has to be right: the weights are found as those that balance, and no outcome is looked
    at. What is not among the terms is not balanced but by luck: where a square or a product moves the
    outcome, it has to be among them (`moments`, `interactions`, or a formula).

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula, as for `fit_propensity`.
        Of a text or categorical column the share of each level is balanced.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose means both arms get: those of the treated units, of the control units, of everyone.
    method : {"entropy", "cbps", "ipt"}, default "entropy"
        How the weights for the ATE are made: each arm to everybody, by weights as even as can be (entropy
        balancing); both arms to each other, by one score (covariate balancing propensity score), whose means
        may then lie beside everybody's: `summary()` shows both; each arm to everybody by a score of its own,
        so that no weight is below 1 (inverse probability tilting). For the ATT and the ATC all three give the
        same. Entropy finds weights wherever there are some that bring both arms to everybody.
    penalty : float, default 0.0
        L2 strength on the coefficients, per standard deviation of a term, for rows that weigh one on average.
        Zero balances exactly, or says that nothing does. 1.0 comes near it: `max_imbalance` says how near.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight). A row of weight 0 is not there.
    moments : {1, 2}, default 1
        2 balances the square of every term that is not binary too, as ``age^2``: of its distance from its
        mean over all rows.
    interactions : bool, default False
        Whether to balance the products of any two terms too, as ``age:educ``, but for the levels of one
        categorical; each term is measured from its mean over all rows, as `balance` has it.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    BalancingWeights
        With `weights` carrying the index of `df`; `smd`, `balance`, `truncate` and the plots take it as it
        is.

    Raises
    ------
    InfeasibleError
        There are no such weights: across some terms, which are named, the rows to be weighed lie all on one
        side of the means they are to have.
    InvalidInputError
        A column is unknown, incomplete, or in two roles; the treatment is not 0/1 or has fewer than two units
        in an arm; the estimand is the ATO, for which the weights of a logistic score balance exactly already.
    TypeError
        A column is neither numeric, bool, text nor categorical.

    Warns
    -----
    CollinearityWarning
        A term repeats earlier ones; it is named, left out, and balanced with these.
    SmallSampleWarning
        There are more terms than a fifth of what an arm is worth in rows.
    OverlapWarning
        An arm is worth less than a tenth of its rows.
    BalanceWarning
        The arms still differ by more than 0.1 standard deviations in a square or product of up to 30 terms,
        if beyond what chance does to these; with a penalty in a term.
    SampleWeightWarning
        Sample weights look like counts.

    See Also
    --------
    balancing_weights : From scores to weights.
    ipw : The contrast of these; with estimand="ATO" the answer to poor overlap.

    Notes
    -----
    Each is a convex problem (Zhao 2019, Table 1), solved by Newton's method until no mean is off by more than
    1e-10 standard deviations. For the ATT control rows weigh exp(z'b), with b such that their sums of all
    terms z are those of the treated (Hainmueller 2012): which are the odds of a propensity score, fitted to
    balance and not to foretell.

    References
    ----------
    Hainmueller (2012), Political Analysis 20:25; Imai and Ratkovic (2014), Journal of the Royal Statistical
    Society B 76:243; Graham, Pinto and Egel (2012), Review of Economic Studies 79:1053; Zhao (2019), Annals
    of Statistics 47:965.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> weights = ps.fit_weights(users, treatment="opt_in_agent_mode", covariates=covariates)
    >>> weights.max_imbalance < 1e-9
    True
    >>> effect = weights.effect("task_completed")
    """
    spec = Balancing(estimand, method, penalty, moments, interactions)
    checks.threads(n_threads)
    tidying = Tidying.of(missing, min_level_count)
    parsed = parse_covariates(covariates, df, tidying=tidying)
    frame = open_frame(
        df,
        treatment=treatment,
        covariates=parsed.columns,
        also={"sample_weight": sample_weight},
        may_be_missing=parsed.may_be_missing,
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    frame, parsed = tidied(frame, parsed, weight)
    if spec.penalty > 0:
        require_users(df, "penalty", "a penalty by how rows are spread")
    x, recipe = make_terms(frame, parsed, sample_weight=weight)
    users = frame.frequency
    terms = BalancedTerms.of(x, recipe, spec, mass_of(weight, users))
    found = terms.fit(treated, weight, spec, n_threads, users)
    cautions = (
        *_cautions(found, terms, treated, weight, spec, users),
        *count_cautions(weight, frame.code_of("sample_weight"), users),
    )
    terms.warn_of_dropped(found)
    warn_once(cautions)
    return BalancingWeights(
        spec=spec,
        weights=frame.series(found.weights, weights_name(weight)),
        coefficients=_coefficients(found, terms),
        ess_treated=found.ess_treated,
        ess_control=found.ess_control,
        imbalance=pd.Series(found.imbalance, index=pd.Index(terms.names, name="term"), name="imbalance"),
        dropped=terms.dropped(found),
        treated=treated,
        treatment=treatment,
        covariates=covariates if isinstance(covariates, str) else tuple(covariates),
        index=frame.index,
        terms=terms,
        known=parsed.sources,
        fingerprint=frame.fingerprint(treated, weight, keep=True),
        cautions=cautions,
        iterations=found.iterations,
        tidied=parsed.tidied,
    )


@dataclass(frozen=True, eq=False)
class BalancedSample:
    """A sample whose rows have weights that balance the terms of a score model."""

    sample: Sample
    spec: Balancing
    terms: BalancedTerms
    found: core.BalancingWeights

    @classmethod
    def of(cls, sample: Sample, rows: ScoreRows, spec: Balancing) -> BalancedSample:
        """Make the weights.

        Raises
        ------
        InfeasibleError
            There are none.
        """
        terms = BalancedTerms.of(rows.x, rows.recipe, spec, sample.mass)
        known = sample.treated, sample.sample_weight
        return cls(sample, spec, terms, terms.fit(*known, spec, frequency=sample.frequency))

    @property
    def dropped(self) -> tuple[str, ...]:
        """The terms left out, which earlier ones repeat."""
        return self.terms.dropped(self.found)

    def by_group(self, measured: Measured, groups: Grouping, contrast: Contrast) -> GroupedEffects:
        """Compare the weighted means of what is measured in each group."""
        sample, found, name, per = self.sample, self.found, measured.only_outcome, measured.metrics.per
        rows = BalancedRows(
            self.terms,
            self.spec,
            sample.treated,
            found.weights,
            sample.frame.series(found.weights, weights_name(sample.sample_weight)),
            sample.sample_weight,
            sample.fingerprint,
            sample.clusters,
            SE_METHOD,
            sample.frame.first_of_cells,
        )
        return rows.by_group(
            groups,
            sample.frame.outcome(name),
            None if per is None else sample.frame.outcome(per),
            contrast,
            measured.words(name),
            _cautions(found, self.terms, sample.treated, sample.sample_weight, self.spec, sample.frequency),
            sample.frame.ends(name),
        )

    def effect(self, outcome: str, contrast: Contrast) -> Effect:
        """Compare the weighted means of an outcome."""
        sample, found = self.sample, self.found
        y, t, s = sample.frame.outcome(outcome), sample.treated, sample.sample_weight
        return sample.effect(
            outcome,
            self.terms.effect(y, t, found.weights, s, self.spec, sample.frequency),
            Weighting(found.weights, found.ess_treated, found.ess_control),
            estimand=self.spec.estimand,
            contrast=contrast,
            se_method=SE_METHOD,
            cautions=_cautions(found, self.terms, t, s, self.spec, sample.frequency),
        )


def _cautions(
    found: core.BalancingWeights,
    terms: BalancedTerms,
    treated: Bools,
    sample_weight: Floats | None,
    spec: Balancing,
    frequency: Floats | None = None,
) -> tuple[Warning, ...]:
    """Say where an arm is worth few rows, and what the arms still differ in."""
    ess = (found.ess_treated, found.ess_control)
    counted = {"sample_weight": sample_weight, "frequency": frequency}
    left = find_imbalance(terms.looked_at, treated, found.weights, ess=ess, **counted)
    advice = _PENALTY if spec.penalty else _PRODUCTS
    return (
        *_size_cautions(found, terms, treated, sample_weight, frequency),
        *balance_cautions(left, f"balancing for the {spec.estimand}", advice),
    )


def _size_cautions(
    found: core.BalancingWeights,
    terms: BalancedTerms,
    treated: Bools,
    sample_weight: Floats | None,
    frequency: Floats | None,
) -> tuple[Warning, ...]:
    users = np.ones(len(treated)) if frequency is None else frequency
    there = users if sample_weight is None else np.where(sample_weight > 0, users, 0.0)
    n_rows = {"treated": int(there[treated].sum()), "control": int(there[~treated].sum())}
    ess = {"treated": found.ess_treated, "control": found.ess_control}
    weighed = {arm: size for arm, size in ess.items() if arm in found.arms or "both" in found.arms}
    return balanced_cautions(weighed, n_rows, len(terms.names) - len(found.dropped) + 1)


def _coefficients(found: core.BalancingWeights, terms: BalancedTerms) -> pd.DataFrame:
    """Put names on the coefficients; terms that were dropped have none."""
    names = np.array([INTERCEPT, *terms.names], dtype=object)
    kept = np.setdiff1d(np.arange(len(names)), found.dropped + 1)
    values = dict(zip(found.arms, found.coefficients, strict=True))
    table = pd.DataFrame(values, index=pd.Index(names, name="term"))
    return table.iloc[kept]
