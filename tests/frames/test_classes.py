"""Amounts as groups: they are refused, many groups are told of, and the line of the message makes few."""

import numpy as np
import pytest

import propensity as ps
from mended_lines import TREATED, frame, run
from propensity.errors import ArgumentWarning, InvalidInputError

ROLES = {"outcome": "y", "treatment": "arm", "scores": "e"}

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")


def rows(**columns):
    return frame(arm=TREATED.astype(int), **columns)


def test_amounts_are_no_groups_and_the_line_makes_classes(library):
    df = library(rows(spent=np.arange(60) / 7))
    with pytest.raises(InvalidInputError, match="column 'spent' has 60 different numbers") as caught:
        ps.ipw(df, **ROLES, by="spent")
    mended = run(str(caught.value).split("into classes, ")[1], df)
    grouped = ps.ipw(mended, **ROLES, by="spent_class")
    assert len(grouped) == 5
    assert grouped.table[["n_treated", "n_control"]].to_numpy().sum() == 60


def test_a_scale_of_few_numbers_has_groups():
    df = rows(stars=np.arange(60) % 4 / 2)
    assert len(ps.ipw(df, **ROLES, by="stars")) == 4


def many(n_groups):
    df = rows()
    big = df.loc[np.repeat(df.index, 20)].reset_index(drop=True)
    return big.assign(team=np.arange(len(big)) % n_groups)


def test_many_groups_are_told_of():
    with pytest.warns(
        ArgumentWarning, match="column 'team' has 201 values, each a group of its own"
    ) as caught:
        ps.ipw(many(201), **ROLES, by="team")
    assert caught[0].filename == __file__
    assert len(ps.ipw(many(200), **ROLES, by="team").groups.index) == 200


def test_groups_beyond_any_table_are_refused():
    df = many(1_200)
    big = df.loc[np.repeat(df.index, 5)].reset_index(drop=True)
    with pytest.raises(InvalidInputError, match="more than 5,000 are no table for anybody"):
        ps.ipw(big.assign(team=np.arange(len(big))), **ROLES, by="team")
