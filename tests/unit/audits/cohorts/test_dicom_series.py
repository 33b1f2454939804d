"""A folder of slices becomes a volume, ordered by where the slices lie."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from audits.cohorts.images import open_image
from audits.errors import StudyError


@pytest.fixture
def write_series(dicom_file, tmp_path):
    """Return a function that writes slices with given positions, file names unrelated to them."""

    def write(places, **changes):
        folder = tmp_path / "series"
        folder.mkdir()
        for index, place in enumerate(places):
            dataset = pydicom.dcmread(dicom_file("CT_small.dcm"))
            dataset.ImagePositionPatient = [0, 0, place]
            dataset.InstanceNumber = index + 1
            dataset.RescaleIntercept = -1024
            dataset.PixelData = np.full((128, 128), int(place), dtype=np.int16).tobytes()
            for key, values in changes.items():
                if values[index] is None:
                    delattr(dataset, key)
                else:
                    setattr(dataset, key, values[index])
            dataset.save_as(folder / f"{index}.dcm")
        return folder

    return write


def test_slices_are_ordered_by_position_and_never_by_number(write_series):
    image = open_image(write_series([10, 0, 5, 15]), "dicom")
    assert image.pixels.shape == (4, 128, 128)
    assert (image.pixels[:, 0, 0] + 1024).tolist() == [0, 5, 10, 15]
    assert image.spacing_mm == pytest.approx((5.0, 0.661468, 0.661468))
    assert image.is_volume
    assert not image.notes


def test_the_volume_says_which_way_its_slices_lie_and_its_unit(write_series):
    image = open_image(write_series([0.0, 5.0, 10.0]), "dicom")
    assert image.slices_toward == "H"
    assert image.unit == "HU"


def test_uneven_gaps_are_said(write_series):
    image = open_image(write_series([0, 5, 11]), "dicom")
    assert "5.00 to 6.00 mm apart" in image.notes[-1]


def test_missing_slices_are_counted(write_series):
    image = open_image(write_series([0, 5, 10, 25, 30, 40]), "dicom")
    assert (
        "3 slices are missing: gaps of up to 15.00 mm where slices lie 5.00 mm" in image.notes[-1]
    )
    assert image.spacing_mm[0] == 5.0


def test_one_slice_takes_its_thickness(write_series):
    image = open_image(write_series([3]), "dicom")
    assert image.pixels.shape == (1, 128, 128)
    assert image.spacing_mm[0] == 5.0


@pytest.mark.parametrize(
    ("places", "changes", "parts"),
    [
        ([], {}, ["empty"]),
        ([0, 0], {}, ["same place", "keep one"]),
        ([0, 1], {"SeriesInstanceUID": ["1.2", "1.3"]}, ["2 series", "one folder per case"]),
        ([0, 1], {"ImagePositionPatient": [[0, 0, 0], None]}, ["1 of its 2", "position"]),
        (
            [0, 1],
            {"ImageOrientationPatient": [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]]},
            ["size or direction"],
        ),
    ],
)
def test_what_is_no_volume_is_one_sentence(write_series, places, changes, parts, assert_sentence):
    with pytest.raises(StudyError) as caught:
        open_image(write_series(places, **changes), "dicom")
    assert_sentence(caught.value, "series", *parts)
