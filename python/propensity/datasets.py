"""Data to learn and to test on: two synthetic logs whose truth is known, and lalonde, where a trial tells.

The logs tell the same story with other words: heavier users opt in to a feature more often and would have
done more anyway, so the raw gap between those who opted in and those who did not exceeds what the
feature did. Because the data are drawn by the code below, the effect to recover is known.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.calls.attributes import no_attribute
from propensity.calls.keywords import answered
from propensity.frames import checks

__all__ = ["assistant_usage", "lalonde", "opt_in_logs"]

_Floats: TypeAlias = NDArray[np.float64]
_Columns: TypeAlias = dict[str, NDArray[Any]]

OPT_IN_EFFECT = 0.08
ASSISTANT_EFFECT = 2.0
LALONDE_EXPERIMENTAL_EFFECT = 1794.34


@answered
def opt_in_logs(n_users: int = 50_000, seed: int = 42) -> pd.DataFrame:
    """Users of an assistant, some of whom switched on its agent mode.

    Heavy users opt in more often (65% of them, 35% of medium, 12% of light) and complete more tasks
    whether or not they opt in, so the raw gap in `task_completed`, about +0.21, mixes who the
    volunteers are with what agent mode did, which is +0.08. Given `engagement_tier` the opt-in is a
    coin flip: adjusting for it removes the confounding.

    Parameters
    ----------
    n_users : int, default 50_000
        Number of rows, one a user; at least 1.
    seed : int, default 42
        Seed of `numpy.random.default_rng`.

    Returns
    -------
    pandas.DataFrame
        `attrs["true_effect"]` is 0.08. The columns, in order:

        Known before the opt-in:

        - `user_id` (int64): 0 to n_users - 1
        - `workspace_id` (int64): 0 to 49
        - `engagement_tier` (text): light, medium or heavy; drives the opt-in and the outcomes
        - `signup_week` (int64): 0 to 51
        - `wave` (int64): 1 for workspaces 0 to 24, else 2; adds 0.04 to the completion probability
        - `treatment_week` (int64): week in which the wave was given another change, 20 or 30
        - `treated_post` (int64): 1 if signed up in or after that week; adds 0.05
        - `prompt_variant` (int64): 0 or 1, by user_id; adds 0.04
        - `query_confidence` (float64): 0 to 1; below 0.85 a query is routed to the premium model
        - `routed_to_premium` (int64): 0 or 1; adds 0.06

        The treatment:

        - `opt_in_agent_mode` (int64): 0 or 1; adds 0.08

        After the opt-in, and so never covariates of the score:

        - `task_completed` (int64): 0 or 1, the outcome the true effect is about
        - `thumbs_up` (int64): 0 or 1
        - `session_minutes` (float64)
        - `cost_usd` (float64)
        - `retained_7d` (int64): 0 or 1

    Notes
    -----
    The completion probability is clipped to [.01, .99]. That bound is met by few users, those with
    every addition at once; their effect is below 0.08. At 50,000 users and seed 42 the average over the
    users drawn is 0.07998 for everyone (ATE) and 0.07994 for those who opted in (ATT).

    Examples
    --------
    >>> from propensity import datasets
    >>> logs = datasets.opt_in_logs(n_users=1_000)
    >>> logs.attrs["true_effect"]
    0.08
    """
    checks.count("n_users", n_users)
    rng = np.random.default_rng(seed)
    before = _opt_in_users(rng, n_users)
    completion = _completion_probability(rng, before)
    after = _opt_in_outcomes(rng, before, completion)
    before["query_confidence"] = np.round(before["query_confidence"], 4)
    frame = pd.DataFrame({**before, **after})
    frame.attrs["true_effect"] = OPT_IN_EFFECT
    return frame


@answered
def assistant_usage(n_users: int = 20_000, seed: int = 7) -> pd.DataFrame:
    """Users of a writing assistant, some of whom switched it on: three confounders, a count outcome.

    Engaged users with old accounts who already use many features switch the assistant on more often,
    and complete more tasks with or without it. The assistant adds 2 to everybody's expected number of
    completed tasks; the raw gap is about 4.3, more than twice that.

    Parameters
    ----------
    n_users : int, default 20_000
    seed : int, default 7
        As for `opt_in_logs`.

    Returns
    -------
    pandas.DataFrame
        `attrs["true_effect"]` is 2.0. The columns, in order:

        Known before the opt-in, each driving both the opt-in and the outcome:

        - `past_engagement_score` (float64): 0 to 1, most between .15 and .65
        - `account_age_months` (int64): 1 to 60, each equally frequent
        - `feature_usage_count` (int64): features used in the month before; from 0, mean about 4,
          skewed to the right, higher for the engaged

        The treatment:

        - `opt_in` (bool): switched the assistant on

        After the opt-in:

        - `tasks_completed` (int64): tasks completed in the month after, the outcome

    Notes
    -----
    The opt-in is Bernoulli with log-odds -2.8 + 3 engagement + 0.02 age + 0.11 features: a logistic model
    with the three columns as they are is the right one, and nearly all true scores lie in (.1, .9).
    The outcome is Poisson with mean 1 + 12 engagement + 0.06 age + 0.6 features + 2 opt-in.
    That mean is positive without a bound and its last term the same for every user, so the truth is
    exact: ATE = ATT = ATC = 2.

    Examples
    --------
    >>> from propensity import datasets
    >>> usage = datasets.assistant_usage(n_users=1_000)
    >>> usage.attrs["true_effect"]
    2.0
    """
    checks.count("n_users", n_users)
    rng = np.random.default_rng(seed)
    engagement = rng.beta(4, 6, n_users)
    age = rng.integers(1, 61, n_users)
    mean_features = 4 * np.exp(1.5 * (engagement - 0.4))
    features = rng.negative_binomial(2, 2 / (2 + mean_features))
    log_odds = -2.8 + 3 * engagement + 0.02 * age + 0.11 * features
    opt_in = rng.random(n_users) < 1 / (1 + np.exp(-log_odds))
    mean_tasks = 1 + 12 * engagement + 0.06 * age + 0.6 * features + ASSISTANT_EFFECT * opt_in
    frame = pd.DataFrame(
        {
            "past_engagement_score": engagement,
            "account_age_months": age,
            "feature_usage_count": features,
            "opt_in": opt_in,
            "tasks_completed": rng.poisson(mean_tasks),
        }
    )
    frame.attrs["true_effect"] = ASSISTANT_EFFECT
    return frame


@answered
def lalonde() -> pd.DataFrame:
    """Give the lalonde data: a job training programme, with a comparison group nobody drew by lot.

    The 185 treated were in the National Supported Work Demonstration (NSW), a randomized trial of the
    mid-1970s; the 429 controls are not the trial's but men of a survey, the Panel Study of Income Dynamics
    (PSID), who were older, better off and more often white and married. The raw gap in `re78` is -635
    dollars, while the trial itself found +1,794 (standard error 633): a method that adjusts well for the
    other columns should come near it.

    Returns
    -------
    pandas.DataFrame
        614 rows, labelled by `unit`, NSW1 to NSW185 and PSID1 to PSID429. `attrs["experimental_effect"]` is
        1794.34, the difference of the trial's own arms in `re78` (its 260 controls are not among the rows).
        The columns, in order:

        - `treat` (int64): 1 for who was offered the training
        - `age` (int64): years
        - `educ` (int64): years of schooling
        - `race` (text): black, hispan or white
        - `married` (int64): 0 or 1
        - `nodegree` (int64): 1 without a high school degree
        - `re74`, `re75` (float64): earnings in dollars in 1974 and 1975, before the training; many are 0
        - `re78` (float64): earnings in dollars in 1978, the outcome

    Notes
    -----
    LaLonde (1986) put the trial beside comparison groups from surveys; Dehejia and Wahba (1999) took the
    treated whose earnings in 1974 are known, and published the files with his permission
    (https://users.nber.org/~rdehejia/data/.nswdata3.html). The 614 rows and their labels are those that the R
    package MatchIt distributes, value for value.

    The benchmark is an estimate too, for the treated of the trial: landing within a few hundred dollars of it
    is no proof, and missing it by a few hundred no failure.

    References
    ----------
    LaLonde (1986), American Economic Review 76:604. Dehejia and Wahba (1999), Journal of the American
    Statistical Association 94:1053.

    Examples
    --------
    >>> from propensity import datasets
    >>> trained = datasets.lalonde()
    >>> trained.attrs["experimental_effect"]
    1794.34
    """
    with files("propensity").joinpath("data", "lalonde.csv").open(encoding="utf-8") as source:
        frame = pd.read_csv(source, index_col="unit")
    frame.attrs["experimental_effect"] = LALONDE_EXPERIMENTAL_EFFECT
    return frame


def _opt_in_users(rng: np.random.Generator, n: int) -> _Columns:
    """Make draws 1 to 5: who the users are and who opts in; the query confidence is not rounded yet."""
    user = np.arange(n, dtype=np.int64)
    tier = rng.choice(["light", "medium", "heavy"], size=n, p=[0.55, 0.30, 0.15])
    workspace = rng.integers(0, 50, size=n)
    week = rng.integers(0, 52, size=n)
    confidence = rng.beta(5, 2, size=n)
    wave = np.where(workspace < 25, 1, 2)
    treatment_week = np.where(wave == 1, 20, 30)
    return {
        "user_id": user,
        "workspace_id": workspace,
        "engagement_tier": tier,
        "signup_week": week,
        "wave": wave,
        "treatment_week": treatment_week,
        "treated_post": (week >= treatment_week).astype(np.int64),
        "prompt_variant": user % 2,
        "opt_in_agent_mode": rng.binomial(1, _by_tier(tier, light=0.12, medium=0.35, heavy=0.65)),
        "query_confidence": confidence,
        "routed_to_premium": (confidence < 0.85).astype(np.int64),
    }


def _completion_probability(rng: np.random.Generator, users: _Columns) -> _Floats:
    """Make draws 6 and 7: the probability that each user completes the task."""
    probability = (
        _by_tier(users["engagement_tier"], light=0.35, medium=0.55, heavy=0.70)
        + 0.04 * (users["wave"] == 1)
        + 0.04 * users["prompt_variant"]
        + OPT_IN_EFFECT * users["opt_in_agent_mode"]
        + 0.06 * users["routed_to_premium"]
        + 0.05 * users["treated_post"]
        + _weekly_signal(rng)[users["signup_week"]]
        + rng.normal(0, 0.015, size=len(users["wave"]))
    )
    bounded: _Floats = np.clip(probability, 0.01, 0.99)
    return bounded


def _opt_in_outcomes(rng: np.random.Generator, users: _Columns, completion: _Floats) -> _Columns:
    """Make draws 8 to 11: what the users did once the feature was there."""
    n = len(completion)
    tier, opt_in = users["engagement_tier"], users["opt_in_agent_mode"]
    completed = rng.binomial(1, completion)
    liking = 0.2 + 0.6 * completion + rng.normal(0, 0.05, size=n)
    thumbs_up = rng.binomial(1, np.clip(liking, 0.01, 0.99))
    minutes = np.maximum(0.5, 5 + 3 * (tier == "heavy") + 2 * opt_in + rng.normal(0, 1.5, size=n))
    cost = 0.002 * minutes + 0.015 * opt_in + 0.008 * users["routed_to_premium"]
    staying = 0.4 + 0.35 * completion + 0.1 * thumbs_up - 0.05 * (tier == "light")
    staying = staying + rng.normal(0, 0.05, size=n)
    return {
        "task_completed": completed,
        "thumbs_up": thumbs_up,
        "session_minutes": np.round(minutes, 2),
        "cost_usd": np.round(cost, 4),
        "retained_7d": rng.binomial(1, np.clip(staying, 0.01, 0.99)),
    }


def _by_tier(tier: NDArray[Any], *, light: float, medium: float, heavy: float) -> _Floats:
    """Give each user the value of their tier."""
    return np.select([tier == "light", tier == "medium"], [light, medium], default=heavy)


def _weekly_signal(rng: np.random.Generator) -> _Floats:
    """Draw a drift over the 52 signup weeks: AR(1) with coefficient .75, zero on average."""
    signal = np.zeros(52)
    for week in range(1, 52):
        signal[week] = 0.75 * signal[week - 1] + rng.normal(0, 0.010)
    centred: _Floats = signal - signal.mean()
    return centred


def __dir__() -> list[str]:
    """List the public names alone."""
    return __all__


if not TYPE_CHECKING:  # a checker would take every name for one that there is

    def __getattr__(name):
        """Answer a name that there is not with the one that is meant."""
        words = {data: name.lower() for data in __all__ if data in name.lower()}  # load_lalonde
        raise AttributeError(no_attribute("module 'propensity.datasets'", name, __all__, words))
