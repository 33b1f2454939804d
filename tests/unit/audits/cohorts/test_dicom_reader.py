"""DICOM from stored bits to what is shown, against pydicom's own steps and files."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.uid import ExplicitVRLittleEndian

from audits.cohorts.images import Orientation, open_image
from audits.cohorts.images.image import direction_letters
from audits.errors import StudyError


@pytest.fixture
def altered(dicom_file, tmp_path):
    """Return a function that saves a copy of a test file with some attributes changed."""

    def save(name="CT_small.dcm", pixels=None, **values):
        dataset = pydicom.dcmread(dicom_file(name))
        for key, value in values.items():
            if value is None:
                if key in dataset:
                    delattr(dataset, key)
            elif key == "PixelPaddingRangeLimit":
                dataset.add_new(0x00280121, "SS", value)
            else:
                setattr(dataset, key, value)
        if pixels is not None:
            dataset.PixelData = pixels.tobytes()
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm"
        dataset.save_as(path)
        return path

    return save


def test_ct_is_in_hounsfield_units_with_presets(dicom_file):
    image = open_image(dicom_file("CT_small.dcm"), "dicom")
    dataset = pydicom.dcmread(dicom_file("CT_small.dcm"))
    np.testing.assert_array_equal(
        image.pixels, apply_modality_lut(dataset.pixel_array, dataset).astype(np.float32)
    )
    assert image.pixels.shape == (128, 128)
    assert [window.label for window in image.windows] == [
        "Full range",
        "Lung",
        "Mediastinum",
        "Bone",
        "Brain",
    ]
    lung = image.windows[1]
    assert (lung.low, lung.high) == (-1350.0, 150.0)
    assert image.spacing_mm == pytest.approx((0.661468, 0.661468))
    assert image.orientation == Orientation(left="R", right="L", top="A", bottom="P")
    assert not image.is_volume


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_equal_pydicom_s(altered, function):
    path = altered(WindowCenter=40.0, WindowWidth=400.0, VOILUTFunction=function)
    image = open_image(path, "dicom")
    dataset = pydicom.dcmread(path)
    expected = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    low, high = apply_windowing(np.array([-1e4, 1e4]), dataset)
    shown = image.windows[0].apply(image.pixels)
    np.testing.assert_allclose(shown, (expected - low) / (high - low), atol=2e-6)


def test_window_alternatives_keep_their_explanations(altered):
    path = altered(
        WindowCenter=[40, -600, 0],
        WindowWidth=[400, 1500, 0],
        WindowCenterWidthExplanation=["SOFT", "LUNG", "NONE"],
    )
    image = open_image(path, "dicom")
    assert [window.label for window in image.windows[:3]] == ["SOFT", "LUNG", "Full range"]
    assert (image.low, image.high) == (40 - 0.5 - 399 / 2, 40 - 0.5 + 399 / 2)
    assert image.to_value().low == image.low


def test_a_voi_table_comes_first_and_equals_pydicom_s(altered):
    item = pydicom.Dataset()
    table = (np.linspace(0, 1, 256) ** 2 * 4095).astype(np.uint16)
    item.LUTDescriptor = [256, 100, 12]
    item.LUTExplanation = "GAMMA"
    item.add_new(0x00283006, "US", table.tolist())  # LUTData
    path = altered(
        VOILUTSequence=[item],
        WindowCenter=40,
        WindowWidth=400,
        RescaleIntercept=0,
        PixelRepresentation=0,
    )
    dataset = pydicom.dcmread(path)
    image = open_image(path, "dicom")
    assert [window.label for window in image.windows[:2]] == ["GAMMA", "Window 1"]
    values = apply_modality_lut(dataset.pixel_array, dataset)
    expected = apply_voi_lut(values.astype(np.uint16), dataset) / 4095
    np.testing.assert_allclose(image.windows[0].apply(image.pixels), expected, atol=1e-6)


def test_monochrome1_is_turned_round_for_people_and_models(altered, dicom_file):
    plain = open_image(altered(WindowCenter=40, WindowWidth=400), "dicom")
    turned = open_image(
        altered(WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1"), "dicom"
    )
    assert turned.photometric == "MONOCHROME1"
    assert plain.inverted_about is None
    shown = plain.windows[0].apply(plain.pixels)
    np.testing.assert_allclose(turned.windows[0].apply(turned.pixels), 1 - shown, atol=1e-6)
    value = turned.to_value()
    scaled = np.clip((value.pixels - value.low) / (value.high - value.low), 0, 1)
    np.testing.assert_allclose(scaled, 1 - shown, atol=1e-6)
    np.testing.assert_allclose(turned.inverted_about - turned.pixels, plain.pixels)


def test_the_sum_that_monochrome1_is_turned_about_is_the_device_s_not_the_image_s(altered):
    path = altered(
        PhotometricInterpretation="MONOCHROME1",
        PixelRepresentation=0,
        BitsStored=12,
        HighBit=11,
        RescaleSlope=2,
        RescaleIntercept=-1000,
    )
    assert open_image(path, "dicom").inverted_about == (0 * 2 - 1000) + (4095 * 2 - 1000)


def test_presentation_inverse_is_the_same_as_monochrome1_and_not_twice(altered):
    once = open_image(altered(PresentationLUTShape="INVERSE"), "dicom")
    both = open_image(
        altered(PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1"), "dicom"
    )
    np.testing.assert_array_equal(once.pixels, both.pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_padding_is_set_aside_before_the_range_and_shown_black(altered, dicom_file, photometric):
    pixels = pydicom.dcmread(dicom_file("CT_small.dcm")).pixel_array.copy()
    pixels[:10] = -2000
    image = open_image(
        altered(pixels=pixels, PixelPaddingValue=-2000, PhotometricInterpretation=photometric),
        "dicom",
    )
    inside = image.pixels[10:]
    full = image.windows[0]
    assert (full.low, full.high) == (inside.min(), inside.max())
    assert (image.pixels[:10] == inside.min()).all()
    assert full.apply(image.pixels)[:10].max() == 0


def test_a_range_of_padding_values_is_padding(altered, dicom_file):
    pixels = pydicom.dcmread(dicom_file("CT_small.dcm")).pixel_array.copy()
    pixels[:5], pixels[5:10] = -2000, -1990
    image = open_image(
        altered(pixels=pixels, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1980), "dicom"
    )
    assert image.windows[0].low == image.pixels[10:].min()


def test_projection_images_say_where_their_scale_holds(altered):
    path = altered(
        PixelSpacing=None,
        ImagerPixelSpacing=[0.2, 0.3],
        ImageOrientationPatient=None,
        PatientOrientation=["L", "F"],
        ImageLaterality="R",
        ViewPosition="PA",
    )
    image = open_image(path, "dicom")
    assert image.spacing_mm == (0.2, 0.3)
    assert image.spacing_source == "ImagerPixelSpacing"
    assert "detector" in image.notes[0]
    assert image.orientation == Orientation(left="R", right="L", top="H", bottom="F")
    assert (image.laterality, image.view) == ("R", "PA")


@pytest.mark.parametrize(
    ("vector", "letters"),
    [
        ([1, 0, 0], "L"),
        ([0, -1, 0], "A"),
        ([0, 0, 1], "H"),
        ([0.8, 0.6, 0], "LP"),
        ([0.1, -0.1, -0.99], "F"),
    ],
)
def test_directions_are_named_in_patient_letters(vector, letters):
    assert direction_letters(np.array(vector, dtype=np.float64)) == letters


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_expb.dcm",
    ],
)
def test_every_lossless_encoding_gives_the_same_image(dicom_file, name):
    plain = open_image(dicom_file("MR_small.dcm"), "dicom")
    image = open_image(dicom_file(name), "dicom")
    np.testing.assert_array_equal(image.pixels, plain.pixels)
    assert (image.low, image.high) == (plain.low, plain.high) == (-200.0, 1399.0)
    assert image.spacing_mm == (0.3125, 0.3125)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("JPEG2000.dcm", (1024, 256)),
        ("693_J2KI.dcm", (512, 512)),
        ("image_dfl.dcm", (512, 512)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100, 3)),
        ("SC_rgb_rle_16bit.dcm", (100, 100, 3)),
        ("examples_palette.dcm", (350, 800, 3)),
        ("SC_ybr_full_422_uncompressed.dcm", (100, 100, 3)),
        ("rtdose.dcm", (15, 10, 10)),
    ],
)
def test_compressed_colour_and_stacked_files_open(dicom_file, name, shape):
    image = open_image(dicom_file(name), "dicom")
    assert image.pixels.shape == shape
    assert image.colour == (shape[-1] == 3)
    assert image.is_volume == (shape[0] == 15)
    assert image.high > image.low


@pytest.mark.parametrize("name", ["SC_rgb_gdcm_KY.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm"])
def test_colour_spaces_come_out_as_the_same_rgb(dicom_file, name):
    rgb = open_image(dicom_file("SC_rgb_dcmtk_+eb+cr.dcm"), "dicom")
    other = open_image(dicom_file(name), "dicom")
    assert np.abs(rgb.pixels - other.pixels).max() <= 6  # of 255: the loss of the compression


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("no_meta.dcm", ["no DICOM header", "export it again"]),
        ("MR_truncated.dcm", ["damaged or cut short", "export it again"]),
        ("badVR.dcm", ["damaged or cut short"]),
        ("JPEG-lossy.dcm", ["no installed decoder", "JPEG Extended", "JPEG 2000"]),
        ("reportsi.dcm", ["without pixel data", "Basic Text SR", "name an image"]),
        ("rtplan_truncated.dcm", ["without pixel data", "RT Plan"]),
        ("waveform_ecg.dcm", ["without pixel data", "ECG"]),
        ("SC_rgb_rle_2frame.dcm", ["several colour frames", "one image"]),
        ("meta_missing_tsyntax.dcm", ["does not say how its pixels are encoded"]),
    ],
)
def test_a_file_that_does_not_open_is_one_sentence(dicom_file, name, parts, assert_sentence):
    with pytest.raises(StudyError) as caught:
        open_image(dicom_file(name), "dicom")
    assert_sentence(caught.value, name, "does not open", *parts)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Rows": None}, "its header lacks Rows"),
        ({"PhotometricInterpretation": None}, "its header lacks PhotometricInterpretation"),
        ({"PhotometricInterpretation": "MONOCHROME3"}, "'MONOCHROME3' is none of the standard's"),
        ({"PhotometricInterpretation": "RGB"}, "is RGB, but it has 1 value a pixel"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "a palette that it does not hold"),
        ({"Rows": 4000}, "damaged or cut short"),
    ],
)
def test_a_header_that_contradicts_itself_is_named(
    dicom_file, tmp_path, change, said, assert_sentence
):
    dataset = pydicom.dcmread(dicom_file("CT_small.dcm"))
    for name, value in change.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(StudyError, match=said) as caught:
        open_image(tmp_path / "x.dcm", "dicom")
    assert_sentence(caught.value, "x.dcm", "export")
    assert "CompressedSamples" not in str(caught.value)


def test_no_patient_data_stand_in_an_error(altered, dicom_file):
    pixels = pydicom.dcmread(dicom_file("CT_small.dcm")).pixel_array
    path = altered(pixels=pixels[:10], PatientName="Doe^Jane", PatientID="4711")
    with pytest.raises(StudyError) as caught:
        open_image(path, "dicom")
    assert "Doe" not in str(caught.value)
    assert "4711" not in str(caught.value)


def test_an_uncompressed_copy_is_what_the_error_asks_for(altered, dicom_file):
    dataset = pydicom.dcmread(dicom_file("MR_small_RLE.dcm"))
    dataset.decompress()
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
