from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics.arrays import (
    binary_array,
    check_same_shape,
    index_array,
    label_codes,
    real_array,
    reject,
    shaped_array,
)


def test_real_arrays_are_float64_whatever_came() -> None:
    for values in ([1, 2], np.array([1, 2], dtype=np.int8), np.array([1, 2], dtype=np.float32)):
        array = real_array("values", values, "E")
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, [1, 2])


def test_shaped_arrays_may_hold_nan_and_real_ones_may_not() -> None:
    assert np.isnan(shaped_array("values", [np.nan], "E")).all()
    with pytest.raises(ValueError, match=r"values\[0\] is nan, not a finite number"):
        real_array("values", [np.nan], "E")


def test_the_first_offending_entry_is_named() -> None:
    array = np.array([[1.0, 2.0], [7.0, 9.0]])
    with pytest.raises(ValueError, match=r"^values\[1, 0\] is 7.0, above 5$"):
        reject("values", array, array > 5, "above 5")
    reject("values", array, array > 10, "above 10")


def test_binary_arrays_are_booleans_of_zeros_and_ones() -> None:
    np.testing.assert_array_equal(binary_array("labels", [0.0, 1.0], "E"), [False, True])
    with pytest.raises(ValueError, match=r"labels\[0\] is 0.5, neither 0 nor 1"):
        binary_array("labels", [0.5], "E")


def test_indices_are_integers_from_minus_one_to_below_the_size() -> None:
    np.testing.assert_array_equal(index_array("order", [[-1, 2]], "Ek", size=3), [[-1, 2]])
    with pytest.raises(ValueError, match=r"order\[0, 1\] is 3, not below 3"):
        index_array("order", [[-1, 3]], "Ek", size=3)


def test_labels_become_codes_that_tell_them_apart() -> None:
    codes, count = label_codes("people", ["b", "a", "b"], 3)
    assert count == 2
    np.testing.assert_array_equal(codes, [1, 0, 1])


def test_shapes_that_differ_are_named() -> None:
    check_same_shape(first=(2, 3), second=(2, 3))
    with pytest.raises(ValueError, match=r"third: shape \[3\] is not that of first \[2, 3\]"):
        check_same_shape(first=(2, 3), second=(2, 3), third=(3,))
