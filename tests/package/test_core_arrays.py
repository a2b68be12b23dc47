"""The array door takes arrays as they come: any layout gives the same numbers, float64 is not copied."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core_calls import CALLS, READS, numbers, whole_numbers
from core_process import run

ARRAYS = whole_numbers(3_001)


def strided(a):
    wide = np.full([2 * size for size in a.shape], np.nan if a.dtype.kind == "f" else 0, dtype=a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def reversed_in_memory(a):
    return a[::-1].copy()[::-1]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def misaligned(a):
    room = np.zeros(a.nbytes + 1, dtype=np.uint8)
    view = room[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert not view.flags.aligned
    return view


FLOAT_LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "strided, Fortran order": lambda a: strided(a.T).T,
    "reversed": reversed_in_memory,
    "read-only": read_only,
    "misaligned": misaligned,
    "big-endian": lambda a: a.astype(">f8"),
    "little-endian": lambda a: a.astype("<f8"),
    "float32": lambda a: a.astype(np.float32),
    "big-endian float32": lambda a: a.astype(">f4"),
    "strided float32": lambda a: strided(a.astype(np.float32)),
    "a subclass": lambda a: a.view(type("Labelled", (np.ndarray,), {})),
}
INTEGER_TYPES = ["int8", "int16", "int32", "int64", ">i4", ">i8"]
TREATMENT_TYPES = ["bool", "int8", "uint8", "int32", "int64", "uint64", "float32", ">f8", ">i4"]
TREATMENT_LAYOUTS = {
    **{kind: lambda a, kind=kind: a.astype(kind) for kind in TREATMENT_TYPES},
    "strided": strided,
    "strided bool": lambda a: strided(a.astype(bool)),
    "reversed bool": lambda a: reversed_in_memory(a.astype(bool)),
    "read-only": read_only,
    "read-only bool": lambda a: read_only(a.astype(bool)),
    "misaligned": misaligned,
    "misaligned int64": lambda a: misaligned(a.astype(np.int64)),
}


@pytest.fixture(scope="module", params=CALLS)
def called(request):
    """Name of a function and what it gives for plain arrays."""
    return request.param, numbers(request.param, CALLS[request.param](ARRAYS))


@pytest.mark.parametrize("layout", FLOAT_LAYOUTS)
def test_result_is_the_same_to_the_last_bit_for_every_layout(called, layout):
    name, expected = called
    for field in READS[name]:
        changed = replace(ARRAYS, **{field: FLOAT_LAYOUTS[layout](getattr(ARRAYS, field))})
        assert_array_equal(numbers(name, CALLS[name](changed)), expected, err_msg=field)


@pytest.mark.parametrize("kind", INTEGER_TYPES)
def test_result_is_the_same_for_integers(called, kind):
    name, expected = called
    for field in set(READS[name]) - {"scores"}:
        changed = replace(ARRAYS, **{field: getattr(ARRAYS, field).astype(kind)})
        assert_array_equal(numbers(name, CALLS[name](changed)), expected, err_msg=field)


@pytest.mark.parametrize("layout", TREATMENT_LAYOUTS)
def test_result_is_the_same_for_every_kind_of_treatment(called, layout):
    name, expected = called
    changed = replace(ARRAYS, treatment=TREATMENT_LAYOUTS[layout](ARRAYS.treatment))
    assert_array_equal(numbers(name, CALLS[name](changed)), expected)


def test_arrays_are_left_as_they_were(called):
    name, _ = called
    before = replace(ARRAYS, **{field: getattr(ARRAYS, field).copy() for field in vars(ARRAYS)})
    CALLS[name](ARRAYS)
    for field, array in vars(before).items():
        assert_array_equal(getattr(ARRAYS, field), array)


@pytest.mark.parametrize("kind", ["object", "complex128", "U8", "S8", "datetime64[s]", "timedelta64[s]"])
def test_other_types_are_a_type_error_that_names_the_argument(called, kind):
    name, _ = called
    argument = {"weights": "weights|sample_weight", "scores": "scores|weights", "x": "x|covariates"}
    for field in [*READS[name], "treatment"]:
        array = getattr(ARRAYS, field)
        changed = replace(ARRAYS, **{field: (array.astype(int) if "64" in kind else array).astype(kind)})
        with pytest.raises(TypeError, match=argument.get(field, field)):
            CALLS[name](changed)


def test_what_is_no_array_is_a_type_error(called):
    name, _ = called
    for field in [*READS[name], "treatment"]:
        with pytest.raises(TypeError):
            CALLS[name](replace(ARRAYS, **{field: getattr(ARRAYS, field).tolist()}))


def test_arrays_of_other_dimensions_are_refused(called):
    name, _ = called
    for field in [*READS[name], "treatment"]:
        array = getattr(ARRAYS, field)
        with pytest.raises((ValueError, TypeError), match="dimension"):
            CALLS[name](replace(ARRAYS, **{field: array[:, 0] if array.ndim == 2 else array[:, None]}))


# Peak memory, in a process of its own: what the call needs beyond the arrays that are there already.

not_on_windows = pytest.mark.skipif(sys.platform == "win32", reason="no peak of the memory to be had there")


@not_on_windows
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["fit_propensity", "smd", "bootstrap"])
def test_covariates_are_not_copied(name, order):
    found = run("memory", name, order)
    assert found["bytes_of_x"] >= 200e6
    assert found["extra_bytes"] < found["bytes_of_x"] / 2


@not_on_windows
def test_ipw_copies_neither_outcome_nor_scores():
    found = run("memory", "ipw", "C")
    # It gives back weights and the influence on two means, three float64 a row, and notes the treatment, one
    # byte a row.
    assert found["extra_bytes"] < found["bytes_of_a_column"] * 3.5


@not_on_windows
def test_matching_needs_memory_in_proportion_to_the_rows():
    found = run("memory", "match_nn", "C")
    # The two arms, each in order, and the result: at most 20 numbers a row, however many pairs there are.
    assert found["extra_bytes"] < 20 * found["bytes_of_a_column"]
