"""The propensity score, fitted: by logistic regression to all rows, by any other model to other rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Required, TypedDict, Unpack, get_args, overload

import numpy as np

from propensity.calls.seeds import settle_seed
from propensity.effects.cautions import adjustment_cautions, level_cautions
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import read_sample, read_sample_weight, warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.columns import open_frame
from propensity.frames.counted_rows import require_users
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, Terms, make_design, parse_covariates
from propensity.frames.tidied_frame import tidied
from propensity.frames.tidying import Missing, Tidying
from propensity.scores.choice import LOGISTIC, ScoreChoice
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.flexible import Asked, cross_fitted_scores
from propensity.scores.inputs import Inputs
from propensity.scores.learners import Learner
from propensity.scores.logistic import named_model
from propensity.scores.model import PropensityModel
from propensity.scores.own_models import ScoreWord
from propensity.scores.scored import ScoreRows, warn_of_left_out


class _Shared(TypedDict, total=False):
    treatment: Required[str]
    covariates: Required[Covariates]
    missing: Missing | None
    min_level_count: int | None
    penalty: float
    n_repeats: int
    seed: int | np.random.Generator | None
    estimand: WeightingEstimand | None
    cluster: object
    sample_weight: object
    n_threads: int | None


@overload
def fit_propensity(
    df: AnyFrame,
    *,
    score_model: ScoreWord = "logistic",
    n_folds: None = None,
    **options: Unpack[_Shared],
) -> PropensityModel: ...
@overload
def fit_propensity(
    df: AnyFrame, *, score_model: Learner, n_folds: int | None = None, **options: Unpack[_Shared]
) -> CrossFittedScores: ...
@columns_by_name
@takes_cells(without=("n_folds",))
def fit_propensity(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    score_model: Learner = LOGISTIC,
    penalty: float = 0.0,
    n_folds: int | None = None,
    n_repeats: int = 1,
    seed: int | np.random.Generator | None = 0,
    estimand: WeightingEstimand | None = None,
    cluster: object = None,
    sample_weight: object = None,
    n_threads: int | None = None,
) -> PropensityModel | CrossFittedScores:
    """Fit the probability of treatment given covariates, by a regression with a link or by any other model.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow, one row a unit; or `Cells`, which count them.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula (``"tier * tenure"``,
        ``"bs(age, df=4) + log(spend)"``; see the notes). Numeric and bool columns enter as they are; text and
        categorical ones as one term for each level but the first, in sorted order or in the categorical's
        own. Levels that no row has are left out. Dates are no amounts: give days since a day.
    missing : "indicator" or None, default None
        What to do with missing values of covariates. None refuses them: nothing is filled in that nobody
        asked for. "indicator" gives those of an amount the mean of the others (by sample weight), beside a
        term ``tenure[missing]`` that says whose they are, and makes them a level of a categorical, its last,
        ``tier[missing]``. That it is missing is then adjusted for, and not what it would have been.
    min_level_count : int or None, default None
        Levels of fewer rows become one, "other", a categorical's last but for "missing"; None leaves all as
        they are. Refused where a level "other" is there that is not rare. 50 or so keeps terms of levels from
        foretelling the treatment of a handful of rows. A level "missing" may be rare too.
    score_model : "logistic", "probit", "cloglog", ps.Boosting(...), ps.Forest(...) or a classifier
        What is fitted, "logistic" by default. Logistic regression, and regression with a probit or a
        complementary log-log link, fit all rows at once, and standard errors count that they did; the three
        differ in the tails, and a study that is to be repeated takes the link that it had (Stata's `teffects`
        offers the first two; the last is that of a rate at which people opt in). Any other is cross-fitted,
        for scores of rows that a flexible model has seen are biased: a classifier or pipeline with the
        methods of scikit-learn's, of which copies are fitted. It gets a pandas frame with the columns under
        their names, missing values too; text and categories stay as they are where something in it reads them
        (a ColumnTransformer, an encoder, an option for categories), and become a term for each level but the
        first where nothing does. Of a formula it gets the terms. Keep it from being too sure:
        HistGradientBoostingClassifier(max_depth=3, learning_rate=0.05), forests with min_samples_leaf=50;
        their defaults are made to classify, and make scores near 0 and 1.
    penalty : float, default 0.0
        For the words: L2 strength lambda in sum(log-loss) + lambda / 2 * ||beta without intercept||^2, with
        sample weights per unit of their mean. Zero is maximum likelihood: a penalty pulls the scores together
        and leaves imbalance behind. 1.0 is scikit-learn's default (its C is 1 / penalty), and is per unit of
        the column, as there: a column in thousands hardly feels it, one in thousandths hardly keeps a
        coefficient. ``scale(x)`` in a formula puts columns on one footing. Cross-validation does not choose
        it here: what foretells best balances worst (500 columns: 90% of the naive bias is left, no interval
        holds the truth). Of hundreds of columns `select_covariates` keeps those that matter.
    n_folds : int or None, default None
        Each row is scored by a model that was fitted outside of its fold. None takes 5 where the model is
        no word: 4 of 5 rows are nearly all there is to learn from, at five times the time of one fit. A
        number cross-fits these models too. Folds hold like shares of both arms, and hang on what rows
        hold, not on their order. Forests (`ps.Forest`) have none: their scores are out of bag.
    n_repeats : int, default 1
        How often rows are split anew; scores are the mean. One split costs least; five make what hangs on
        the seed smaller.
    seed : int, Generator or None, default 0
        Of the folds, and of what models draw whose `random_state` is None. A Generator gives one number, None
        takes a fresh one; the result tells which.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"} or None, default None
        Whose balance `ps.Boosting` grows for until it is best; None takes the ATE. Not for other models.
    cluster : None, str, Series or array (n,), default None
        Groups whose rows may vary together: folds keep them whole. Not where there are no folds.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight): coefficients are those of a weight of
        2 as the row twice, standard errors those of the rows that there are, whatever the weights' scale.
        Counts of identical users are no weights: give cells of them, `ps.Cells`. A row of weight 0 is not
        there.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    PropensityModel, or CrossFittedScores of any other model and with `n_folds`
        With `scores` carrying the index of `df`; either goes wherever a function takes scores.

    Raises
    ------
    InvalidInputError
        A column is unknown, incomplete, or in two roles; the treatment is not 0/1 or has fewer than two
        units in an arm; the formula cannot be read; a model that cannot be fitted to what it is given.
    OverlapError
        A cross-fitted score is 0 or 1: what keeps the model from it.
    SeparationError
        The covariates predict the treatment perfectly.
    ConvergenceError
        Newton's method did not reach gradient norm / n <= 1e-10.
    TypeError
        A column is neither numeric, bool, text nor categorical.

    Warns
    -----
    CollinearityWarning
        A term repeats earlier ones; it is named and left out.
    SeparationWarning
        The covariates foretell the treatment of some rows without error (quasi-complete separation); it is
        said which, by level, combination of levels or side of a number. The coefficients that this lets grow
        are those at which the gradient became small enough.
    DegenerateWarning
        There is no covariate, as the formula "1" asks for: nothing is adjusted for.

    Notes
    -----
    In a formula ``a + b`` are two terms, ``a:b`` their product and ``a * b`` all three; ``(a + b + c)**2``
    are these and every product of two. Columns of other names stand in backticks. Arithmetic and comparisons
    stand in ``I()``: ``I(age**2)``, ``I(clicks / views)``, ``I(age > 40)``; whole numbers do not overflow in
    it and bools add up. These functions work, and remember what they need of the rows of the fit, so that
    `PropensityModel.predict` gives new rows the very same terms:

    ``log``, ``log2``, ``log10``, ``exp``, and NumPy's as ``np.log1p``, ``np.sqrt``, ``np.where``;
    ``center(x)``, ``scale(x)``, which has standard deviation 1, and ``poly(x, 2)``, which is orthogonal;
    splines ``bs(x, df=4)``, ``cr(x, df=4, constraints='center')`` (natural) and
    ``cc(x, df=4, constraints='center')`` (cyclic); ``C(zip)``, which makes categories of numbers, and
    ``C(tier, contr.treatment(base='light'))``, which chooses the first level.

    Methods of a column work too. Where a value hangs on the other rows, as in ``I(age - age.mean())``, the
    model is fitted, but does not predict.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opt_in": [0, 1, 0, 1, 1, 0], "visits": [1, 4, 3, 2, 6, 2]})
    >>> ps.fit_propensity(df, treatment="opt_in", covariates=["visits"]).terms
    ('Intercept', 'visits')

    Scores of another model, which go wherever those of this one do:

    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> scores = ps.fit_propensity(users, **roles, covariates=covariates, score_model=ps.Boosting())
    >>> scores.n_folds
    5
    >>> effect = ps.ipw(users, **roles, outcome="task_completed", scores=scores)
    """
    checks.number("penalty", penalty, minimum=0.0)
    checks.threads(n_threads)
    choice = ScoreChoice(score_model, n_folds, n_repeats, settle_seed(seed))
    choice.check()
    tidying = Tidying.of(missing, min_level_count)
    if estimand is not None:
        estimand = checks.estimand(estimand, get_args(WeightingEstimand))
    if not choice.is_fitted_to_all:
        require_users(df, "score_model", "a model that is fitted in folds")
    if choice.is_fitted_to_all:
        _require_no_folds(choice, estimand, cluster)
        terms = parse_covariates(covariates, df, treatment=treatment, may_be_none=True, tidying=tidying)
        return _fitted_to_all(df, treatment, terms, score_model, penalty, sample_weight, n_threads)
    asked = replace(Asked.of(choice, penalty, estimand), n_threads=n_threads)
    terms = parse_covariates(covariates, df, treatment=treatment, may_be_none=True, tidying=tidying)
    learning = not isinstance(score_model, str)
    sample = read_sample(
        df,
        treatment=treatment,
        covariates=terms.columns,
        cluster=cluster,
        sample_weight=sample_weight,
        may_be_missing=terms.columns if learning else terms.may_be_missing,
    )
    frame, terms = tidied(sample.frame, terms, sample.sample_weight)
    rows = ScoreRows.of(Inputs.read(frame, terms, sample.sample_weight), sample.treated)
    with rows.naming_separation():
        found = cross_fitted_scores(frame, rows, sample.clusters, asked, treatment)
    if not learning:
        warn_of_left_out(rows.left_out(penalty))
    warn_once(adjustment_cautions(rows.design.n_terms))
    return found


def _fitted_to_all(
    df: AnyFrame,
    treatment: str,
    terms: Terms,
    score_model: ScoreWord,
    penalty: float,
    sample_weight: object,
    n_threads: int | None,
) -> PropensityModel:
    frame = open_frame(
        df,
        treatment=treatment,
        covariates=terms.columns,
        also={"sample_weight": sample_weight},
        may_be_missing=terms.may_be_missing,
        reader=terms.reader,
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    frame, terms = tidied(frame, terms, weight)
    design, recipe = make_design(frame, terms, sample_weight=weight, penalty=penalty)
    columns = {name: frame.columns[name] for name in terms.columns}
    rows = ScoreRows(columns, design, recipe, treated, weight, frequency=frame.frequency)
    fitted = rows.fit(penalty, score_model, n_threads)
    fitted.warn_of_terms()
    fitted.warn_of_separation()
    fitted.warn_of_weights()
    warn_once((*level_cautions(columns, frame.n_users), *adjustment_cautions(design.n_terms)))
    return named_model(fitted, treatment, frame)


def _require_no_folds(choice: ScoreChoice, estimand: str | None, cluster: object) -> None:
    """Require of a model that is fitted to all rows that nothing is said of folds or of balance."""
    given = {
        f"n_repeats={choice.n_repeats}": choice.n_repeats > 1,
        "cluster": cluster is not None,
        f"estimand={estimand!r}": estimand is not None,
    }
    wanted = [name for name, flag in given.items() if flag]
    if wanted:
        raise InvalidInputError(
            f"{wanted[0]}: the {choice.score_model} model is fitted to all rows, whatever clusters, and "
            "for no estimand; leave it out, or cross-fit a model, n_folds=5 or score_model=..."
        )
