"""Effects by scores: what rows weigh by them, and the contrasts of the weighted means."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from propensity import core
from propensity.effects.arms import Weighting
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import IPW
from propensity.effects.sample import Sample
from propensity.errors import InvalidInputError
from propensity.frames import rowwise_checks
from propensity.frames.checks import Floats
from propensity.scores.cautions import score_cautions
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.logistic import (
    AS_KNOWN,
    balance_terms_of,
    read_design,
    read_scores,
)
from propensity.scores.model import PropensityModel
from propensity.scores.own_weights import estimand_of, own_weights_warning
from propensity.scores.scored import Scored
from propensity.weighting.by_group import Weighed, se_method_of, weighted_arms
from propensity.weighting.carried import few_carry, rows_left_out
from propensity.weighting.doubts import Doubts


def weighed_by(sample: Sample, outcome: str, scored: Scored, spec: IPW) -> Weighed:
    """Give what rows weigh, bounded where that is asked for, whatever the outcome."""
    found = _weighed(sample, [outcome], scored, spec)[outcome]
    return Weighed(
        Weighting(found.weights, found.ess_treated, found.ess_control),
        spec.estimand,
        se_method_of(scored) + _bounds_of(spec, found),
    )


def read_scored(sample: Sample, scores: object) -> Scored:
    """Read scores, and where they are a model's, what their standard errors need.

    Raises
    ------
    InvalidInputError
        As for `read_scores`; the model was fitted with other sample weights or other covariates; models of
        folds have seen others of a row's cluster.
    """
    e = read_scores(sample.frame, scores, sample.treated, sample.sample_weight)
    if isinstance(scores, CrossFittedScores):
        scores.require_whole_clusters(sample.clusters)
        return scored_out_of_sample(sample, scores, e)
    if not isinstance(scores, PropensityModel):
        whose = _balanced_for(sample, e)
        own = () if whose is None else (own_weights_warning(whose),)
        doubts = () if own else score_cautions(e, sample.treated, **sample.row_weights)
        return Scored(e, balance_terms=BalanceTerms.of_scores(e), cautions=(*own, *doubts))
    whose = None if scores.sample_weight is not None else _balanced_for(sample, e)
    if whose is not None:
        raise InvalidInputError(f"sample_weight: {own_weights_warning(whose)}")
    then = None if scores.sample_weight is None else sample.frame.by_row(scores.sample_weight)
    rowwise_checks.same_weights(then, sample.sample_weight, "the model was fitted", AS_KNOWN)
    design = read_design(sample.frame, scores)
    return Scored(
        e,
        design,
        scores.penalty,
        BalanceTerms.of_terms(design, scores.recipe),
        scores.separation,
        columns=scores.recipe.columns,
        score_model=scores.score_model,
        tidied=scores.recipe.tidied_words,
    )


def _balanced_for(sample: Sample, scores: Floats) -> str | None:
    """Tell whose balancing weights by these scores (n,) the sample weights are; None where nobody's."""
    if sample.sample_weight is None:
        return None
    treated = sample.present(sample.treated)
    return estimand_of(sample.present(sample.sample_weight), sample.present(scores), treated)


def scored_out_of_sample(sample: Sample, scores: CrossFittedScores, e: Floats) -> Scored:
    """Take scores (n,) as known that a model of other rows has given."""
    return Scored(
        e,
        balance_terms=balance_terms_of(sample.frame, scores),
        cautions=score_cautions(e, sample.treated, **sample.row_weights),
        columns=scores.covariates,
        known_as=scores.known_as,
        tidied=scores.intake.recipe.tidied_words,
    )


def _weighed(
    sample: Sample, outcomes: Sequence[str], scored: Scored, spec: IPW
) -> dict[str, core.WeightedEstimate]:
    """Give the weighted contrast of each outcome; all share the weights, and what is known of the scores."""
    first, *others = (sample.frame.outcome(name) for name in outcomes)
    found = core.ipw(
        first,
        sample.treated,
        scored.scores,
        estimand=spec.estimand,
        truncate=spec.truncate,
        x=None if scored.design is None else scored.design.terms,
        penalty=scored.penalty,
        score_model=scored.score_model,
        others=others,
        **sample.row_weights,
        **({} if scored.design is None else scored.design.coded),
    )
    return dict(zip(outcomes, [found, *found.others], strict=True))


@dataclass(frozen=True, eq=False)
class ScoredEffects:
    """What estimates effects by weighting on outcomes of a sample: of all when the first is asked for.

    Attributes
    ----------
    sample : Sample
    outcomes : sequence of str
        The columns that are asked for.
    scored : Scored
    spec : IPW
    contrast : {"difference", "ratio", "percent", "odds_ratio"}
    doubts : callable
        What there is to say of the weights.
    per : str or None
        What outcomes are divided by.
    """

    sample: Sample
    outcomes: Sequence[str]
    scored: Scored
    spec: IPW
    contrast: Contrast
    doubts: Doubts
    per: str | None = None

    @cached_property
    def _found(self) -> dict[str, core.WeightedEstimate]:
        return _weighed(self.sample, self.outcomes, self.scored, self.spec)

    def __call__(self, outcome: str) -> Effect:
        """Estimate one effect."""
        sample, scored, spec, found = self.sample, self.scored, self.spec, self._found[outcome]
        weighting = Weighting(found.weights, found.ess_treated, found.ess_control)
        said, left_out = self.doubts(weighting), rows_left_out(sample, outcome, scored, spec)
        jackknife = not isinstance(left_out, str)
        carried = few_carry(
            sample, outcome, spec, found, scored.scores, said, per=self.per, jackknife=jackknife
        )
        return sample.effect(
            outcome,
            weighted_arms(sample, outcome, found, left_out),
            weighting,
            estimand=spec.estimand,
            contrast=self.contrast,
            se_method=se_method_of(scored) + _bounds_of(spec, found),
            cautions=(*said, *carried),
            covariates=scored.columns,
            scores=scored.scores,
            tidied=scored.tidied,
        )


def _bounds_of(spec: IPW, found: core.WeightedEstimate) -> str:
    """Say of a standard error what bounds on weights are to it; nothing where there are none."""
    if spec.truncate is None:
        return ""
    return (
        f"; takes the bounds on the weights as known ({found.n_truncated_treated:,} treated and "
        f"{found.n_truncated_control:,} control rows are above their arm's quantile {spec.truncate:g})"
    )
