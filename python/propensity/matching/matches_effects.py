"""The effects of matches with nearest neighbours: of everybody matched, or group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast, overload

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Rows
from propensity.frames.design import Design
from propensity.frames.grouping import Grouping
from propensity.matching.asked import effects_of
from propensity.matching.by_group import matches_in, n_split_focal
from propensity.matching.clustered import read_matched_clusters
from propensity.matching.effect import PairInference, effect_on_matched, read_matched
from propensity.matching.hidden_bias import MatchedInSets
from propensity.matching.outcome import MatchedOutcome

if TYPE_CHECKING:
    from propensity.matching.matches import Matches


class MatchesWithEffects(MatchedInSets):
    """What `Matches` says of outcomes."""

    @overload
    def effect(
        self,
        outcome: object,
        *,
        bias_adjust: object = None,
        by: str | Sequence[str],
        per: object = None,
        contrast: Contrast = "difference",
        inference: PairInference | None = None,
        cluster: object = None,
        variance_neighbors: int | None = None,
    ) -> GroupedEffects: ...

    @overload
    def effect(  # type: ignore[overload-overlap]
        self,
        outcome: list[str] | tuple[str, ...],
        *,
        bias_adjust: object = None,
        by: None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: PairInference | None = None,
        cluster: object = None,
        variance_neighbors: int | None = None,
    ) -> Effects: ...

    @overload
    def effect(
        self,
        outcome: object,
        *,
        bias_adjust: object = None,
        by: None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: PairInference | None = None,
        cluster: object = None,
        variance_neighbors: int | None = None,
    ) -> Effect: ...

    def effect(
        self,
        outcome: object,
        *,
        bias_adjust: object = None,
        by: str | Sequence[str] | None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: PairInference | None = None,
        cluster: object = None,
        variance_neighbors: int | None = None,
    ) -> Effect | Effects | GroupedEffects:
        """Compare the outcome of the matched units: mean over focal units of own minus donors' mean.

        Parameters
        ----------
        outcome : str, list of str, Series or array (n,)
            Numeric or bool: a column of the frame that was matched, by its name, or several; or values for
            every row of it. A pandas Series has its very index. Others have no labels: one that has the name
            of a column of the frame must hold what that holds, and what has no such name is taken by
            position. Rows that are not matched need none.
        bias_adjust : DataFrame, list of str, or None, default None
            Covariates, as ``df[["age", "tier"]]`` or as ``["age", "tier"]``: the outcome is regressed on
            them among the donors, and what that predicts of the differences left within pairs is taken off.
            For distances between several continuous covariates, whose bias does not vanish fast enough
            otherwise.
        by : None, str or list of str, default None
            A column of the frame that was matched, whose values are groups, or several whose combinations
            are: the effect in each. Rows have to be matched within the groups (``exact=["tier"]``).
        per : None, str, Series or array (n,), default None
            What the outcome is divided by, arm by arm, as for `ipw`: clicks per view.
        contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
            What the two means are made into, as for `ipw`; "percent" is the lift.
        inference : {"score", "cluster"} or None, default None
            Without replacement, how the standard error is made; see the notes. None takes "score" where it
            can be had and the scores are those of a `PropensityModel`, "cluster" otherwise.
        cluster : str, Series or array (n,), a list of two, or None, default None
            A column of the frame that was matched, or its values, whose groups (workspaces, teams) vary
            together, or two that cross, as for `ipw`. 40 clusters or more make a trustworthy standard error.
        variance_neighbors : int or None, default None
            With replacement, how many others of its arm show how much the outcome of a unit varies: 1 as in
            R's Matching (`Var.calc`), 2 as in Stata's `teffects nnmatch`. None takes what was matched with,
            one by default.

        Returns
        -------
        Effect, Effects for a list, or GroupedEffects with `by`
            Treated minus control, whichever arm is focal. Its `se_method` tells how the standard error was
            made, and whether it counts that the scores were estimated.

        Raises
        ------
        InvalidInputError
            Some sets have rows of several groups; what is divided by is negative; the means have no such
            contrast.

        Notes
        -----
        With replacement the standard error is that of Abadie and Imbens (2006, section 4), the variance of
        outcomes in a place being that of a unit and its nearest (`variance_neighbors` of them) of the same
        arm, ties included; within the same `exact` group, but for units that are alone of their arm there.
        With the scores of a `PropensityModel`, matched on the score or logit alone, it counts that they were
        estimated (Abadie and Imbens 2016), which never makes it larger for the ATE, and may for the ATT and
        the ATC: with sample weights too, and where `exact` columns or calipers on columns make no difference
        (for calipers: move less than a tenth of the donors' weight). There is no theory of that where they
        do, nor for a caliper that leaves units out; `se_method` says when scores are taken as known.

        Of matched `Cells` a user's nearest of his arm are the others of his cell: the variance in his place
        is that of the cell, together with cells that tie with it, and where all of these are too few for
        `variance_neighbors` with the nearest cells of the arm, as of rows. Counts, means and variances say
        all of it, so that the error is that of the users, to rounding.

        Without replacement "cluster" squares and sums what each set adds to the estimate, with the factor
        G / (G - 1): as for a regression clustered by set (Abadie and Spiess 2022). It takes the sets as
        given. "score" takes rows for independent given their scores, as `Subclasses.effect` describes, and
        with those of a `PropensityModel` counts that they were estimated; it is for matching on the score or
        logit alone, without `exact` or a `bias_adjust`, that leaves none of those out whom the effect is for.
        In simulations "cluster" was 36% to 47% too wide with estimated scores, "score" as wide as it should
        be, to 5%; both are far too narrow where controls run short. `docs/validation.md` has the numbers.

        With `cluster` rows that share one may vary together in any way: what each adds to the estimate (where
        it is, and its outcome there as often as it was used) is summed within clusters, with the factor
        G / (G - 1). With replacement the outcome's mean in a place is then a polynomial in what was matched
        on, or that of the rows of several clusters that hold the same, and scores count as estimated as they
        do without clusters. Matched sets that lie across clusters are a second way in which rows vary
        together.

        The adjustment (Abadie and Imbens 2011) weighs donors by their uses. A covariate that is constant
        among them is not adjusted for, as they do not tell its slope. Those that are collinear among them
        share the slope equally, each in its standard deviation (least squares of the least norm); that
        matters only for focal units among which they are not.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
        >>> effect = matches.effect("task_completed")
        >>> print(f"{effect.estimate:.3f} ± {effect.std_error:.3f}")
        0.099 ± 0.036
        """
        matches = cast("Matches", self)
        if variance_neighbors is not None and cluster is not None:
            raise InvalidInputError(
                "variance_neighbors: the variance of single rows is no part of an error that is summed "
                "within clusters; leave it out"
            )
        if variance_neighbors is not None:
            matches = replace(matches, spec=replace(matches.spec, variance_neighbors=variance_neighbors))

        clusters = read_matched_clusters(matches, cluster)

        def compare(part: Matches, y: MatchedOutcome, x: Design | None, is_part: bool) -> Effect:
            return effect_on_matched(part, y, x, inference, is_part=is_part, clusters=clusters)

        read = partial(read_matched, matches, bias_adjust=bias_adjust)
        return effects_of(matches, outcome, per, by, read, compare, contrast, clusters)

    def _in_group(self, inside: Bools) -> Matches:
        """Leave the focal units of some rows (n,), and their donors."""
        return matches_in(cast("Matches", self), inside)

    def _split_sets(self, codes: Rows) -> tuple[int, int]:
        """Count the focal units that have a donor of another group (n,), and all."""
        matches = cast("Matches", self)
        return n_split_focal(matches, codes), matches.n_matched

    def _remedy_within(self, groups: Grouping) -> str:
        """Say how rows are matched within groups."""
        return f"match within groups: exact={list(groups.by)!r}"
