"""PNG, JPEG and NIfTI."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.testing import data_path
from PIL import Image

from audits.cohorts.images import Orientation, open_image, open_mask
from audits.errors import StudyError

NIBABEL = Path(str(data_path))


def save(array, path, mode=None):
    Image.fromarray(array).convert(mode).save(path) if mode else Image.fromarray(array).save(path)
    return path


@pytest.fixture
def eight_bit():
    return np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_grey_is_grey_in_every_mode(tmp_path, eight_bit, mode):
    image = open_image(save(eight_bit, tmp_path / "x.png", mode), "png")
    np.testing.assert_array_equal(image.pixels, eight_bit)
    assert not image.colour
    assert (image.low, image.high) == (0.0, 255.0)


def test_sixteen_bits_are_kept(tmp_path, eight_bit):
    wide = eight_bit.astype(np.uint16) * 257
    image = open_image(save(wide, tmp_path / "x.png"), "png")
    np.testing.assert_array_equal(image.pixels, wide)
    assert image.high == 65535.0


def test_colour_is_kept(tmp_path, eight_bit):
    colour = np.stack([eight_bit, eight_bit // 2, eight_bit * 0], axis=-1)
    image = open_image(save(colour, tmp_path / "x.png"), "png")
    assert image.colour
    assert image.to_value().colour
    np.testing.assert_array_equal(image.pixels, colour)


def test_jpeg_opens_under_both_names(tmp_path, eight_bit):
    path = save(np.full((16, 16), 100, dtype=np.uint8), tmp_path / "x.jpg")
    assert np.abs(open_image(path, "jpeg").pixels - 100).max() <= 2
    assert open_image(path, "png").pixels.shape == (16, 16)


def test_a_bilevel_image_is_a_mask(tmp_path):
    truth = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(open_mask(save(truth, tmp_path / "m.png")), truth)


def volume(tmp_path, data, affine, **header):
    image = nib.Nifti1Image(data, affine)
    for key, value in header.items():
        image.header[key] = value
    path = tmp_path / "v.nii.gz"
    nib.save(image, path)
    return path


def test_nifti_comes_in_the_radiological_convention(tmp_path):
    data = np.zeros((3, 4, 5), dtype=np.float32)
    data[2, 3, 1] = 7  # rightmost, most anterior, second slice from below
    image = open_image(volume(tmp_path, data, np.diag([1.0, 2.0, 3.0, 1.0])), "nifti")
    assert image.pixels.shape == (5, 4, 3)
    assert image.spacing_mm == (3.0, 2.0, 1.0)
    assert image.orientation == Orientation(left="R", right="L", top="A", bottom="P")
    assert image.pixels[1, 0, 0] == 7


@pytest.mark.parametrize("flip", [(-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_the_stored_order_does_not_matter(tmp_path, flip):
    rng = np.random.default_rng(1)
    data = rng.normal(size=(3, 4, 5)).astype(np.float32)
    straight = open_image(volume(tmp_path, data, np.eye(4)), "nifti")
    turned = data[tuple(slice(None, None, step) for step in flip)]
    affine = np.diag([*map(float, flip), 1.0])
    np.testing.assert_array_equal(
        open_image(volume(tmp_path, turned, affine), "nifti").pixels, straight.pixels
    )


def test_values_that_are_not_finite_are_padding(tmp_path):
    data = np.ones((2, 2, 2), dtype=np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, 3
    image = open_image(volume(tmp_path, data, np.eye(4)), "nifti")
    assert (image.low, image.high) == (1.0, 3.0)
    assert np.isfinite(image.pixels).all()


def test_the_header_s_scale_comes_first(tmp_path):
    data = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    image = open_image(volume(tmp_path, data, np.eye(4), cal_min=1, cal_max=5), "nifti")
    assert [window.label for window in image.windows] == ["Header", "Full range"]
    assert (image.low, image.high) == (1.0, 5.0)


def test_nibabel_s_own_volume_opens():
    image = open_image(NIBABEL / "anatomical.nii", "nifti")
    assert image.pixels.shape == (25, 41, 33)
    assert image.spacing_mm == (2.0, 2.0, 2.0)
    data = nib.as_closest_canonical(nib.load(NIBABEL / "anatomical.nii")).get_fdata()
    np.testing.assert_allclose(image.pixels[3, 5, 7], data[33 - 1 - 7, 41 - 1 - 5, 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "parts"),
    [
        ("functional.nii", "nifti", ["17x21x3x20", "one grey volume per case"]),
        ("row_major.dconn.nii", "nifti", ["10x10"]),
        ("empty.tck", "nifti", ["does not open as nifti", "replace the file"]),
        (
            "anatomical.nii",
            "png",
            ["does not open as png", "another kind of file", "clear its name"],
        ),
        ("anatomical.nii", "dicom", ["no DICOM header"]),
        ("anatomical.nii", "signal", ["signals are no images"]),
        ("gone.nii", "nifti", ["no such file", "check its name"]),
    ],
)
def test_a_file_that_does_not_open_is_one_sentence(name, kind, parts, assert_sentence):
    with pytest.raises(StudyError) as caught:
        open_image(NIBABEL / name, kind)
    assert_sentence(caught.value, name, *parts)


@pytest.mark.parametrize(
    ("kind", "keep", "said"),
    [("png", 0.0, "the image file is empty"), ("png", 0.5, "cut short"), ("nifti", 0.5, "short")],
)
def test_a_copy_that_broke_off_is_said(tmp_path, kind, keep, said):
    path = tmp_path / {"png": "x.png", "nifti": "x.nii.gz"}[kind]
    if kind == "png":
        save(np.random.default_rng(0).integers(0, 255, (50, 50)).astype(np.uint8), path)
    else:
        volume(tmp_path, np.random.default_rng(0).random((9, 9, 9)), np.eye(4)).rename(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(StudyError, match=said):
        open_image(path, kind)
    path.unlink()
    path.mkdir()
    with pytest.raises(StudyError, match="the image is a folder"):
        open_image(path, kind)


def test_a_mask_of_unknown_format_is_refused(assert_sentence):
    with pytest.raises(StudyError) as caught:
        open_mask(NIBABEL / "simple.trk")
    assert_sentence(caught.value, "simple.trk", "'.trk'", "convert it")
