"""Whatever comes in, by whichever way: the right number, or an error that says what is wrong and where."""

import warnings

import numpy as np
import pytest

from bad_input_cases import CASES, Case
from bad_input_doors import DOORS, columns
from propensity.errors import BalanceWarning, OverlapWarning, SmallSampleWarning

ROWS = [pytest.param(case, door, id=f"{case.name} [{door}]") for case in CASES for door in case.doors]


def changed_columns(case):
    plain = columns()
    changed = dict(plain)
    for name, change in case.changes.items():
        if name == "x":
            continue
        old = plain.get(name)
        changed[name] = change(old) if callable(change) else change
    if "x" in case.changes:
        changed["x"] = case.changes["x"](changed)
    return changed


def answer(case: Case, door: str, c):
    frame_of, calls = DOORS[door]
    index = c.pop("__index__", None)
    options = {name: given(c) if callable(given) else given for name, given in case.arguments(door).items()}
    given = frame_of(c)
    if index is not None:
        given = given.set_axis(index, axis=0)
    return calls[case.call](given, **options)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
@pytest.mark.parametrize(("case", "door"), ROWS)
def test_input_is_right_or_refused(case, door):
    c = changed_columns(case)
    if case.raises:
        with pytest.raises((ValueError, TypeError)) as caught:
            answer(case, door, c)
        assert caught.type is case.error(door), repr(caught.value)
        said = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        for word in case.words(door):
            assert word in said
        return
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = answer(case, door, dict(c))
    said = [warning for warning in heard if case.warns and warning.category is case.warns]
    about_the_sample = (SmallSampleWarning, OverlapWarning, BalanceWarning)  # few rows, made up
    others = [w for w in heard if w not in said and w.category not in about_the_sample]
    assert not others, [str(w.message) for w in others]
    if case.warns:
        assert len(said) == 1
        for word in case.words(door):
            assert word in str(said[0].message)
    assert np.isfinite(found).all() or not case.finite
    if case.same or case.value:
        expected = answer_of_plain(case, door) if case.same else case.value(c)
        np.testing.assert_allclose(found[: len(expected)], expected, rtol=case.rtol, atol=case.rtol / 1e4)


def answer_of_plain(case, door):
    plain = Case(case.name, case.call)
    return answer(plain, "pandas" if door == "polars" else door, columns())
