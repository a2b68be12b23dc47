"""The former address of what reads frames, which lives in `propensity.frames`."""

# ruff: noqa: PLC0414 - names given on
from propensity.frames.columns import Frame as Frame
from propensity.frames.columns import open_frame as open_frame
from propensity.frames.columns import outcome_names as outcome_names
from propensity.frames.columns import rowwise as rowwise
from propensity.frames.columns import rowwise_groups as rowwise_groups
from propensity.frames.formulas import INTERCEPT as INTERCEPT
from propensity.frames.native import AnyFrame as AnyFrame
from propensity.frames.native import AnySeries as AnySeries
from propensity.frames.native import row_labels as row_labels
from propensity.frames.native import series_like as series_like
from propensity.frames.terms import Covariates as Covariates
from propensity.frames.terms import Recipe as Recipe
from propensity.frames.terms import Terms as Terms
from propensity.frames.terms import make_terms as make_terms
from propensity.frames.terms import parse_covariates as parse_covariates
