"""The propensity score as a scikit-learn estimator, for pipelines, grids and calibration curves.

scikit-learn is an extra of its own: nothing else in this package imports it, and `propensity.sklearn` is
imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from propensity import core
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.scores.choice import LOGISTIC, require_score_model
from propensity.scores.own_models import ScoreWord

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "propensity.sklearn needs scikit-learn 1.6 or later: pip install scikit-learn"
    ) from error

if TYPE_CHECKING:
    from typing import Self

__all__ = ["PropensityScorer"]


class PropensityScorer(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn is untyped
    """The regression that `fit_propensity` fits, with scikit-learn's methods.

    Parameters
    ----------
    penalty : float, default 0.0
        L2 strength, as for `fit_propensity`: 0 is maximum likelihood, which a score is best without; 1.0 is
        what scikit-learn's LogisticRegression takes by default (its C is 1 / penalty), beside sample weights
        as they are, and is finite where covariates foretell the treatment without error.
    score_model : {"logistic", "probit", "cloglog"}, default "logistic"
        The link.

    Attributes
    ----------
    classes_ : ndarray (2,)
        The control's label, and the treated's: the greater of the two.
    coef_ : ndarray (1, d)
        On the scale of the covariates; 0 for one that repeats earlier ones.
    intercept_ : ndarray (1,)
    n_features_in_ : int
    feature_names_in_ : ndarray (d,) of str
        Where it was fitted to a frame with names.
    n_iter_ : int
        Newton steps.

    See Also
    --------
    propensity.fit_propensity : Reads frames, categories and formulas, and gives standard errors.

    Notes
    -----
    Covariates are numbers, as for scikit-learn's own models: categories go through an encoder in a pipeline.
    A score to weight or match by is best left to `fit_propensity`, whose result knows its rows: with it
    standard errors count that the score was estimated. This class is for what takes an estimator.

    Examples
    --------
    >>> import propensity as ps
    >>> from sklearn.model_selection import cross_val_score
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> x, opted = users[["query_confidence"]], users["opt_in_agent_mode"]
    >>> scorer = ps.sklearn.PropensityScorer().fit(x, opted)
    >>> scorer.predict_proba(x.head(2)).round(2)
    array([[0.77, 0.23],
           [0.75, 0.25]])
    >>> cross_val_score(scorer, x, opted, scoring="roc_auc").shape
    (5,)
    """

    def __init__(self, *, penalty: float = 0.0, score_model: ScoreWord = LOGISTIC) -> None:
        self.penalty = penalty
        self.score_model = score_model

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:  # noqa: N803 - scikit-learn's
        """Fit the score.

        Parameters
        ----------
        X : array or frame (n, d)
            Covariates, numbers.
        y : array (n,)
            Who was treated: two labels, of which the greater is the treated's.
        sample_weight : array (n,) or None, default None
            How much of the population a row stands for.

        Returns
        -------
        PropensityScorer
            Itself.

        Raises
        ------
        ValueError
            There are not two labels, or covariates are missing, infinite or no numbers.
        SeparationError
            The covariates foretell the treatment without error, and there is no penalty.

        Examples
        --------
        >>> import propensity as ps
        >>> scorer = ps.sklearn.PropensityScorer(penalty=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> scorer.coef_.round(2)
        array([[0.5]])
        """
        checks.number("penalty", self.penalty, minimum=0.0)
        require_score_model(self.score_model)
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(labels)
        kind = type_of_target(labels, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, dtype=np.float64)
        there = codes if weight is None else codes[weight > 0]
        if len(np.unique(there)) < 2:
            raise ValueError(
                "y: rows of two classes are needed, and those that weigh something are of 1 class"
            )
        self._fit = core.fit_propensity(
            np.asfortranarray(x),
            codes == 1,
            # The core's penalty is for weights of mean 1, scikit-learn's for weights as they are.
            penalty=float(self.penalty) / (1.0 if weight is None else float(weight[weight > 0].mean())),
            score_model=self.score_model,
            sample_weight=weight,
        )
        self.intercept_, self.coef_ = self._fit.coefficients[:1], self._fit.coefficients[np.newaxis, 1:]
        self.n_iter_ = self._fit.iterations
        return self

    def predict_proba(self, X: object) -> Floats:  # noqa: N803 - scikit-learn's
        """Give the chance of either label.

        Parameters
        ----------
        X : array or frame (m, d)

        Returns
        -------
        ndarray (m, 2)
            The second column are the propensity scores.

        Examples
        --------
        >>> import propensity as ps
        >>> scorer = ps.sklearn.PropensityScorer(penalty=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> scorer.predict_proba([[1.5]]).round(3)
        array([[0.5, 0.5]])
        """
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        scores = self._fit.predict(np.asfortranarray(x))
        return np.column_stack([1 - scores, scores])

    def predict(self, X: object) -> NDArray[Any]:  # noqa: N803 - scikit-learn's
        """Give the likelier label.

        Parameters
        ----------
        X : array or frame (m, d)

        Returns
        -------
        ndarray (m,)

        Examples
        --------
        >>> import propensity as ps
        >>> scorer = ps.sklearn.PropensityScorer(penalty=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> scorer.predict([[0.0], [3.0]])
        array([0, 1])
        """
        chances = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[(chances[:, 1] > 0.5).astype(np.int64)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
