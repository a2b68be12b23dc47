"""The means of both arms in many groups, and what each row adds to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.effects.arms import Means, origin_between
from propensity.effects.coded_terms import Standardized, sums_within
from propensity.effects.coefficients import FittedTerms
from propensity.effects.group_influence import GroupInfluence
from propensity.effects.leverage import Correction, Leverage, scale_of
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.grouping import Grouping
from propensity.results.read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class ArmOfGroups(ReadOnly):
    """The mean of one arm in each of G groups.

    Attributes
    ----------
    above : ndarray (G,)
        How far above the origin the means are; NaN of groups that have none.
    own : ndarray (n,)
        What a row adds to the mean of its own group, n times the derivative in its weight.
    gradients : tuple of ndarray (G, k)
        For each model that was fitted to all rows, the derivatives of the means in its coefficients.
    residual : ndarray (n,) or None
        The part of `own` that residuals make; None where nothing makes up for leverage.
    """

    above: Floats
    own: Floats
    gradients: tuple[Floats, ...]
    residual: Floats | None = None


@dataclass(frozen=True, eq=False)
class GroupMeans(ReadOnly):
    """The means of both arms in G groups, with models that were fitted to all rows.

    Attributes
    ----------
    groups : Grouping
    origin : float
        What means are measured from: outcomes far from zero have few digits left for differences.
    treated, control : ArmOfGroups
    models : tuple of FittedTerms
    clusters : ndarray (n,) of int, or None
    leverage : ndarray (n,) or None
        Of rows in the outcome models of their arms.
    """

    groups: Grouping
    origin: float
    treated: ArmOfGroups
    control: ArmOfGroups
    models: tuple[FittedTerms, ...]
    clusters: Rows | None
    leverage: Floats | None = None

    @property
    def means(self) -> Floats:
        """Of the treated and of the controls, (2, G)."""
        return np.array([self.origin + self.treated.above, self.origin + self.control.above])

    @property
    def differences(self) -> Floats:
        """Treated less control, (G,), with all their digits."""
        return np.asarray(self.treated.above - self.control.above)

    def influence(self, of_treated: Floats, of_control: Floats, kind: Correction = "HC0") -> GroupInfluence:
        """Give the influence on `of_treated` times the one mean and `of_control` times the other, (G,).

        Corrected for leverage as `kind` says, where there is any.
        """
        codes = self.groups.codes
        own = of_treated[codes] * self.treated.own + of_control[codes] * self.control.own
        scale = None
        if self.leverage is not None and kind != "HC0":
            scale = scale_of(self.leverage, kind)
            own = own + (scale - 1) * (
                of_treated[codes] * _residual(self.treated) + of_control[codes] * _residual(self.control)
            )
        loadings = [
            model.loadings(of_treated[:, None] * one + of_control[:, None] * other)
            for model, one, other in zip(
                self.models, self.treated.gradients, self.control.gradients, strict=True
            )
        ]
        return GroupInfluence(self.groups, own, self.models, tuple(loadings), self.clusters, scale)

    def of_group(self, place: int) -> Means:
        """Give the means of one group as an effect is made of them."""
        one, none = np.ones(self.groups.n_groups), np.zeros(self.groups.n_groups)
        treated, control = self.means[:, place]
        return Means(
            float(treated),
            float(control),
            self.influence(one, none).of_group(place),
            self.influence(none, one).of_group(place),
            self.clusters,
            float(self.differences[place]),
            self._leverage_of_group(place),
        )

    def _leverage_of_group(self, place: int) -> Leverage | None:
        if self.leverage is None:
            return None
        found = np.zeros(len(self.leverage))
        for arm in (self.treated, self.control):
            found += np.where(self.groups.codes == place, _residual(arm), 0.0)
            for model, gradients in zip(self.models, arm.gradients, strict=True):
                if model.of_outcome:
                    moved = model.z @ model.loadings(gradients[place])
                    found += self.groups.n_users * model.residual * moved
        return Leverage(self.leverage, found)


def _residual(arm: ArmOfGroups) -> Floats:
    """Give the part of an arm's influence that residuals make; of none 0."""
    return np.zeros(len(arm.own)) if arm.residual is None else arm.residual


def hajek_arm(
    groups: Grouping, y: Floats, weights: Floats, slopes: Floats, z: Standardized | None
) -> ArmOfGroups:
    """Give the weighted means of an arm, sum w Y / sum w in each group.

    Parameters
    ----------
    groups : Grouping
    y, weights, slopes : ndarray (n,)
        The outcome from its origin; the weights w, 0 outside the arm; and how w moves with the linear
        predictor of the score model.
    z : ndarray (n, k), CodedTerms or None
        The terms of the score model; None where scores are known.
    """
    total = groups.sum(weights)
    mean = _divided(groups.sum(weights * y), total)
    rest = y - np.nan_to_num(mean)[groups.codes]
    share = groups.n_users / np.where(total > 0, total, np.inf)
    own = weights * rest * share[groups.codes]
    gradients = () if z is None else (gradient(groups, slopes * rest, z, total),)
    return ArmOfGroups(mean, own, gradients, own)


def gradient(groups: Grouping, moved: Floats, z: Standardized, total: Floats) -> Floats:
    """Average (n,) derivatives in the linear predictor times the terms (n, k) within groups: (G, k)."""
    counted = moved if groups.frequency is None else moved * groups.frequency
    sums = sums_within(z, groups.codes, groups.n_groups, counted)
    return np.asarray(np.divide(sums, total[:, None], out=np.zeros_like(sums), where=total[:, None] > 0))


def _divided(sums: Floats, total: Floats) -> Floats:
    return np.asarray(np.divide(sums, total, out=np.full(len(sums), np.nan), where=total > 0))


def ratio_of_means(numerator: GroupMeans, denominator: GroupMeans) -> GroupMeans:
    """Divide the means of one outcome by those of another in each arm and group: a ratio metric.

    With R = c / v the influence on R is (that on c less R times that on v) / v. A mean v that is 0 or below,
    as a model may find it, has none.
    """
    arms = {}
    codes = numerator.groups.codes
    for arm in ("treated", "control"):
        above, below = getattr(numerator, arm), getattr(denominator, arm)
        v = denominator.origin + below.above
        v = np.where(v > 0, v, np.nan)
        ratio = (numerator.origin + above.above) / v
        own, residual = (
            (one - np.nan_to_num(ratio)[codes] * other) / np.where(np.isnan(v), np.inf, v)[codes]
            for one, other in ((above.own, below.own), (_residual(above), _residual(below)))
        )
        parts = [part / v[:, None] for part in above.gradients]
        parts += [-ratio[:, None] * part / v[:, None] for part in below.gradients]
        arms[arm] = ArmOfGroups(ratio, own, tuple(np.nan_to_num(part) for part in parts), residual)
    models = (*numerator.models, *denominator.models)
    return GroupMeans(
        numerator.groups,
        0.0,
        arms["treated"],
        arms["control"],
        models,
        numerator.clusters,
        numerator.leverage,
    )


def origin_of(y: Floats, there: Bools) -> float:
    """Give from where sums of an outcome (n,) keep their digits."""
    return origin_between(float(y[there].min()), float(y[there].max()))
