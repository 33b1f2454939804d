"""Preprocessing: images land where the geometry says, tables encode row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_adapters import AdapterError, ImageValue
from model_adapters.preprocessing import Inputs, fit_geometry
from model_adapters.schema import ImageInput, TableInput


def image(pixels, low=0.0, high=255.0, *, colour=False):
    return ImageValue(
        pixels=np.asarray(pixels, dtype=np.float32), low=low, high=high, colour=colour
    )


def prepared(spec, *images):
    return Inputs({"image": ImageInput.model_validate(spec)}).prepare({"image": list(images)})[
        "image"
    ]


RAMP = np.array([[-100, 0], [127.5, 300]])


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ({"scale": "0-1"}, [[0, 0], [0.5, 1]]),
        ({"scale": "-1-1"}, [[-1, -1], [0, 1]]),
        ({"scale": "0-255"}, [[0, 0], [127.5, 255]]),
        ({"scale": "raw"}, [[-100, 0], [127.5, 300]]),
        ({"scale": "raw", "window": [0, 200]}, [[0, 0], [127.5, 200]]),
        ({"window": [-100, 300]}, [[0, 0.25], [0.56875, 1]]),
        ({"mean": [0.5], "std": [0.25]}, [[-2, -2], [0, 2]]),
    ],
)
def test_scales(spec, want):
    got = prepared({"size": [2, 2], **spec}, image(RAMP))
    np.testing.assert_allclose(got[0, 0].numpy(), want, atol=1e-6)


def test_a_constant_image_is_black():
    assert prepared({"size": [2, 2]}, image(np.ones((2, 2)), 5, 5)).abs().max() == 0


def test_channels():
    grey = image(np.full((2, 2), 255.0))
    got = prepared({"size": [2, 2], "channels": 3, "mean": [0, 0.5, 1], "std": [1, 1, 2]}, grey)
    np.testing.assert_allclose(got[0, :, 0, 0].numpy(), [1, 0.5, 0])
    colour = np.zeros((2, 2, 3))
    colour[..., 0] = 255
    got = prepared({"size": [2, 2], "channels": 3}, image(colour, colour=True))
    np.testing.assert_allclose(got[0, :, 0, 0].numpy(), [1, 0, 0])
    got = prepared({"size": [2, 2]}, image(colour, colour=True))
    np.testing.assert_allclose(got[0, 0].numpy(), 0.299, rtol=1e-6)
    with pytest.raises(AdapterError, match="a colour image has 3 channels, found 4"):
        prepared({"size": [2, 2]}, image(np.zeros((2, 2, 4)), colour=True))


def test_resizing_is_pillows_bilinear():
    rng = np.random.default_rng(1)
    pixels = rng.random((37, 51)).astype(np.float32)
    got = prepared({"size": [16, 20]}, image(pixels, 0, 1))[0, 0].numpy()
    want = Image.fromarray(pixels, mode=None).resize((20, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(got, np.asarray(want), atol=1e-5)


def test_volumes_are_resized_in_all_three_axes():
    d, h, w = np.meshgrid(*(np.arange(n) + 0.5 for n in (8, 12, 10)), indexing="ij")
    ramp = (d / 8 + h / 12 + w / 10).astype(np.float32)
    got = prepared({"size": [4, 6, 5], "scale": "raw"}, image(ramp))[0, 0].numpy()
    d, h, w = np.meshgrid(*((np.arange(n) + 0.5) / n for n in (4, 6, 5)), indexing="ij")
    assert got.shape == (4, 6, 5)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(got[inner], (d + h + w)[inner], atol=1e-5)
    with pytest.raises(AdapterError, match="takes images with 3 spatial axes"):
        prepared({"size": [4, 6, 5]}, image(np.zeros((4, 4))))


def test_values_that_are_not_numbers():
    with pytest.raises(
        AdapterError, match="image 1 of the batch holds values that are not numbers"
    ):
        prepared({"size": [2, 2]}, image(RAMP), image([[np.nan, 0], [0, 0]]))


@pytest.mark.parametrize("resize", ["stretch", "fit"])
@pytest.mark.parametrize("native", [(60, 40), (30, 90), (64, 64), (200, 120)])
def test_a_delta_comes_back_to_its_place(resize, native):
    """The peak of a prepared delta image, mapped back, lies within half a model pixel."""
    spec = ImageInput.model_validate({"size": [32, 32], "resize": resize})
    inputs = Inputs({"image": spec})
    rng = np.random.default_rng(0)
    for _ in range(5):
        at = tuple(int(rng.integers(n // 8, n - n // 8)) for n in native)
        pixels = np.zeros(native)
        pixels[at] = 255
        tensor = inputs.prepare({"image": [image(pixels)]})["image"][0, 0].numpy()
        geometry = inputs.geometry("image", native)
        back = geometry.to_native(tensor, native)
        assert back.shape == native
        peak = np.unravel_index(int(back.argmax()), native)
        for axis in range(2):
            cell = native[axis] / geometry.extent[axis]
            assert abs(peak[axis] - at[axis]) <= max(0.5 * cell, 0.5) + 0.5


def test_to_native_is_torchs_bilinear_where_nothing_is_padded():
    rng = np.random.default_rng(2)
    maps = rng.normal(size=(3, 7, 5)).astype(np.float32)
    geometry = fit_geometry((50, 33), (28, 28), keep_aspect=False)
    want = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], (50, 33), mode="bilinear", align_corners=False
    )[0]
    np.testing.assert_allclose(geometry.to_native(maps), want.numpy(), atol=1e-5)
    volume = rng.normal(size=(4, 5, 6))
    geometry = fit_geometry((9, 8, 7), (16, 16, 16), keep_aspect=False)
    want = torch.nn.functional.interpolate(
        torch.from_numpy(volume)[None, None], (9, 8, 7), mode="trilinear", align_corners=False
    )[0, 0]
    np.testing.assert_allclose(geometry.to_native(volume), want.numpy(), atol=1e-5)


def test_padding_is_cut_off():
    geometry = fit_geometry((10, 20), (20, 20), keep_aspect=True)
    assert (geometry.start, geometry.extent) == ((5, 0), (10, 20))
    values = np.zeros((20, 20))
    values[5:15] = 1
    assert geometry.to_native(values).min() == 1
    tensor = prepared(
        {"size": [20, 20], "resize": "fit", "scale": "-1-1"}, image(np.full((10, 20), 255))
    )
    assert tensor[0, 0, 5:15].min() == 1
    assert tensor[0, 0, :5].max() == -1


def test_geometry_mistakes():
    geometry = fit_geometry((10, 20), (20, 20), keep_aspect=True)
    with pytest.raises(AdapterError, match=r"made for an image of \(10, 20\), found \(5, 5\)"):
        geometry.to_native(np.zeros((2, 2)), (5, 5))
    with pytest.raises(AdapterError, match="needs 2 spatial axes"):
        geometry.to_native(np.zeros(3))
    inputs = Inputs({"t": TableInput(features=("a",))})
    with pytest.raises(AdapterError, match="is no image or signal input"):
        inputs.geometry("t", (2, 2))
    with pytest.raises(AdapterError, match=r"inputs\.t: the batch brings no such input"):
        inputs.prepare({"u": 1})


TABLE = TableInput.model_validate(
    {
        "features": ["lactate", "sex", "unit", "age"],
        "encoding": [
            {"feature": "lactate", "kind": "numeric", "mean": 2.0, "std": 0.5, "impute": 1.0,
             "indicator": True, "clip": [0, 10]},
            {"feature": "sex", "kind": "category", "levels": ["F", "M"], "indicator": True},
            {"feature": "unit", "kind": "category", "levels": [1, 2], "encode": "code"},
            {"feature": "age", "kind": "numeric"},
        ],
    }
)  # fmt: skip
ROWS = pd.DataFrame(
    {
        "age": [40, 50, 60, None],
        "lactate": [3.0, None, 99.0, 1.0],
        "sex": ["F", "M", "other", None],
        "unit": [1.0, 2.0, None, 7.0],
        "unused": ["x"] * 4,
    }
)


def test_encoding():
    inputs = Inputs({"ehr": TABLE})
    got = inputs.prepare({"ehr": ROWS})["ehr"]
    nan = np.nan
    want = [
        [2, 0, 1, 0, 0, 0, 40],
        [-2, 1, 0, 1, 0, 1, 50],
        [16, 0, 0, 0, 0, nan, 60],
        [-2, 0, 0, 0, 1, nan, nan],
    ]
    np.testing.assert_array_equal(got, want)
    names = ("lactate", "lactate missing", "sex=F", "sex=M", "sex missing", "unit", "age")
    assert inputs.columns("ehr") == names
    (field,) = inputs.fields
    assert field.shape == (7,)
    assert {f.name: f.columns for f in field.features} == {
        "lactate": (0, 1), "sex": (2, 3, 4), "unit": (5,), "age": (6,),
    }  # fmt: skip
    assert field.features[1].levels == ("F", "M")


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(range(4)))
def test_rows_are_encoded_one_by_one(order):
    inputs = Inputs({"ehr": TABLE})
    whole = inputs.prepare({"ehr": ROWS})["ehr"]
    for row in order:
        part = inputs.prepare({"ehr": ROWS.iloc[[row]]})["ehr"]
        np.testing.assert_array_equal(part[0], whole[row])
    shuffled = inputs.prepare({"ehr": ROWS.iloc[list(order)]})["ehr"]
    np.testing.assert_array_equal(shuffled, whole[list(order)])


def test_kinds_of_columns_pandas_knows():
    spec = TableInput.model_validate(
        {
            "features": ["a", "b"],
            "encoding": [
                {"feature": "a", "kind": "numeric"},
                {"feature": "b", "kind": "category", "levels": [0, 1], "encode": "code"},
            ],
        }
    )
    inputs = Inputs({"t": spec})
    for numbers in (
        pd.array([1, None], dtype="Int64"),
        ["1", None],
        pd.array([True, None], dtype="boolean"),
        np.array([1.0, np.nan], dtype=np.float32),
    ):
        for flags in (
            pd.array([True, False]),
            [1, 0],
            ["1", "0"],
            [1.0, 0.0],
            pd.Categorical([1, 0]),
            pd.array(["1", "0"], dtype="string[pyarrow]"),
        ):
            got = inputs.prepare({"t": pd.DataFrame({"a": numbers, "b": flags})})["t"]
            np.testing.assert_array_equal(got, [[1, 1], [np.nan, 0]])


def test_table_mistakes_name_the_feature_and_no_value():
    inputs = Inputs({"ehr": TABLE})
    with pytest.raises(AdapterError, match="no column for 1 of 4 features, the first is 'age'"):
        inputs.prepare({"ehr": ROWS.drop(columns="age")})
    text = ROWS.assign(age=["40", "sixty-two", "60", None])
    with pytest.raises(AdapterError, match="feature 'age' is numeric, found 1 of 4") as error:
        inputs.prepare({"ehr": text})
    assert "sixty-two" not in str(error.value)
    with pytest.raises(AdapterError, match="feature 'age' holds 1 infinite values"):
        inputs.prepare({"ehr": ROWS.assign(age=[1, np.inf, 2, 3])})


def test_no_rows():
    assert Inputs({"ehr": TABLE}).prepare({"ehr": ROWS.iloc[:0]})["ehr"].shape == (0, 7)
    assert prepared({"size": [4, 4], "channels": 3}).shape == (0, 3, 4, 4)
