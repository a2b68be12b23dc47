"""The effects of subclasses: of everybody in one, or group by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, overload

from propensity.calls.written import written
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.frames import checks
from propensity.frames.checks import Bools, Rows
from propensity.frames.grouping import Grouping
from propensity.matching.asked import effects_of
from propensity.matching.by_group import n_split_subclasses, some_of, subclasses_in
from propensity.matching.clustered import read_matched_clusters
from propensity.matching.hidden_bias import MatchedInSets
from propensity.matching.outcome import MatchedOutcome

if TYPE_CHECKING:
    from propensity.matching.subclasses import Subclasses

Inference: TypeAlias = Literal["score", "stratified", "cluster"]


class SubclassesWithEffects(MatchedInSets):
    """What `Subclasses` says of outcomes."""

    @overload
    def effect(
        self,
        outcome: object,
        *,
        by: str | Sequence[str],
        per: object = None,
        contrast: Contrast = "difference",
        inference: Inference | None = None,
        cluster: object = None,
    ) -> GroupedEffects: ...

    @overload
    def effect(  # type: ignore[overload-overlap]
        self,
        outcome: list[str] | tuple[str, ...],
        *,
        by: None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: Inference | None = None,
        cluster: object = None,
    ) -> Effects: ...

    @overload
    def effect(
        self,
        outcome: object,
        *,
        by: None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: Inference | None = None,
        cluster: object = None,
    ) -> Effect: ...

    def effect(
        self,
        outcome: object,
        *,
        by: str | Sequence[str] | None = None,
        per: object = None,
        contrast: Contrast = "difference",
        inference: Inference | None = None,
        cluster: object = None,
    ) -> Effect | Effects | GroupedEffects:
        """Compare the outcome of the arms: the difference of the two weighted means.

        Parameters
        ----------
        outcome : str, list of str, Series or array (n,)
            As for `Matches.effect`: a column's name, or several; or values. Rows in no subclass need none.
        by, per
            As for `Matches.effect`: groups that subclasses lie within; what the outcome is divided by.
        contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
            What the two means are made into, as for `ipw`; "percent" is the lift.
        inference : {"score", "stratified", "cluster"} or None, default None
            How the standard error is made; see the notes. None takes "score" for full matching on the score
            or logit alone, "cluster" for other full matching, whose subclasses are mostly of one row in an
            arm, and "stratified" for the others, whose subclasses may be few.
        cluster : str, Series or array (n,), a list of two, or None, default None
            As for `Matches.effect`: what rows add is summed within them, whatever the inference. Subclasses
            that "cluster" sums over, and that lie across these, are a second way in which rows vary together.

        Returns
        -------
        Effect, Effects for a list, or GroupedEffects with `by`

        Raises
        ------
        InvalidInputError
            A subclass has rows of several groups; there is a single subclass, and how estimates vary between
            subclasses cannot be seen in one; or `inference` is "score", and more than the score decided who
            is with whom, or rows are left out.

        Notes
        -----
        "score": rows are independent of each other, given their scores. What a row adds is its weight times
        its distance from the mean outcome of its arm at its score, and as one of those the effect is for, the
        effect at its score (Otsu and Rai 2017, on matching). That mean is the rows' own where two or more of
        the arm have the very same score (with a factor for their number), so that where covariates repeat and
        cells are matched with themselves the error is the stratified one; between such scores it is a
        polynomial (with the factor of HC3 for being fitted to the rows).

        "stratified": with W the share of a subclass s, v the variance of the outcome and n the rows of its
        arms, and tau_s their difference, the sum of W^2 (v_1 / n_1 + v_0 / n_0), and of W (tau_s - tau)^2
        over the number of rows the effect is for: as for rows drawn from a population (Imbens and Rubin
        2015, chapters 9 and 17). A subclass with a single row in an arm has no variance; it counts as a
        cluster.

        "cluster": the squares of what a subclass adds to the estimate, summed over subclasses, with the
        factor G / (G - 1) (Abadie and Spiess 2022, on matching without replacement). MatchIt's manual has
        it with the further factor (n - 1) / (n - 2). Where effects differ it is too wide for the ATE of a
        full matching: as if it were chance how large a subclass is.

        With the scores of a `PropensityModel` the first two count that these were estimated, as Abadie and
        Imbens (2016) do for nearest neighbours, by how covariates and outcome go together among rows of the
        same score, or of the same subclass; "cluster" takes the subclasses as given, and is then too
        wide: by 10% to 57% for full matching in simulations. As given are also subclasses in which calipers,
        `exact` columns or rows left out had a say. `docs/validation.md` has the numbers.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> subclasses = ps.match_cem(users, treatment=treatment, covariates=covariates)
        >>> effect = subclasses.effect("task_completed")
        >>> print(f"{effect.estimate:.3f} ± {effect.std_error:.3f}")
        0.113 ± 0.027
        """
        clusters = read_matched_clusters(self, cluster)

        def compare(part: Subclasses, y: MatchedOutcome, _x: object, _is_part: bool) -> Effect:
            return part.compared(y, inference, clusters)

        subclasses = cast("Subclasses", self)
        return effects_of(subclasses, outcome, per, by, subclasses.read, compare, contrast, clusters)

    def _in_group(self, inside: Bools) -> Subclasses:
        """Leave the subclasses of some rows (n,)."""
        return subclasses_in(cast("Subclasses", self), inside)

    def _split_sets(self, codes: Rows) -> tuple[int, int]:
        """Count the subclasses that have rows of several groups (n,), and all."""
        return n_split_subclasses(self.labels, codes), cast("Subclasses", self).n_subclasses

    def _remedy_within(self, groups: Grouping) -> str:
        """Say how rows are put into subclasses within groups."""
        method = cast("Subclasses", self).method
        if method == "full matching":
            return f"match within groups: exact={list(groups.by)!r}"
        if method == "coarsened exact matching":
            return f"take {checks.listed(groups.by)} among the covariates, no levels of it grouped"
        fingerprint = self.fingerprint
        some = some_of(groups, fingerprint)
        treatment = "..." if fingerprint.treatment is None else repr(fingerprint.treatment)
        roles = f"some, treatment={treatment}"
        known = [name for name in self.known if name not in groups.by]
        covariates = written("covariates", known) if known else "covariates=[...]"
        return (
            f"subclassify the rows of each group by themselves, {some}; ps.subclassify({roles}, "
            f"scores=ps.fit_propensity({roles}, {covariates})), or take ipw(..., by={list(groups.by)!r})"
        )
