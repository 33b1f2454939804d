"""What the image viewer receives is what was stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard.components.image_viewer.payload import MAP_SIDE, MapLayer, Picture, Window, pack


def unpack(payload: bytes):
    length = int.from_bytes(payload[:4], "little")
    meta = json.loads(payload[4 : 4 + length])
    at = -(-(4 + length) // 4) * 4
    shape = tuple(meta[name] for name in ("depth", "height", "width", "channels"))
    count = int(np.prod(shape))
    pixels = np.frombuffer(payload, "<u2", count, at).reshape(shape)
    at = -(-(at + 2 * count) // 4) * 4
    values = None
    if meta["map"]:
        grid = tuple(meta["map"][name] for name in ("depth", "rows", "columns"))
        values = np.frombuffer(payload, "<f4", int(np.prod(grid)), at).reshape(grid)
    return meta, pixels * meta["slope"] + meta["intercept"], values


def picture(pixels, **more):
    return Picture(pixels=pixels, low=0, high=1, key="m/c", alt="image", **more)


@pytest.mark.parametrize("shape", [(31, 17), (3, 20, 30)])
def test_pixels_come_back_within_half_a_step(shape):
    pixels = np.random.default_rng(0).normal(0, 1000, shape).astype(np.float32)
    meta, shown, _ = unpack(pack(picture(pixels)))
    assert np.abs(shown[..., 0].squeeze() - pixels).max() <= meta["slope"] * 0.51


def test_colour_keeps_its_channels():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.float32)
    meta, shown, _ = unpack(pack(picture(pixels, colour=True)))
    assert meta["channels"] == 3
    assert np.allclose(shown[0], pixels, atol=0.01)


def test_padding_is_shown_as_the_smallest_value_and_json_stays_valid():
    pixels = np.array([[np.nan, 2.0], [3.0, 5.0]], dtype=np.float32)
    meta, shown, _ = unpack(pack(picture(pixels)))
    assert meta["minimum"] == 2.0
    assert shown[0, 0, 0, 0] == 2.0


def test_a_flat_image_does_not_divide_by_zero():
    _, shown, _ = unpack(pack(picture(np.full((4, 4), 7.0, dtype=np.float32))))
    assert (shown == 7).all()


def test_a_map_keeps_its_place_when_it_is_thinned():
    """The block with the peak must still cover the peak's pixel in the image."""
    values = np.zeros((1000, 701), dtype=np.float32)
    values[640, 333] = 1.0
    meta, _, grid = unpack(
        pack(picture(np.zeros((1000, 701))), MapLayer(values=values, scale=1.0, note=""))
    )
    assert max(grid.shape[1:]) <= MAP_SIDE
    row, column = np.unravel_index(grid[0].argmax(), grid[0].shape)
    tall = 1000 * meta["map"]["span_y"] / meta["map"]["rows"]
    wide = 701 * meta["map"]["span_x"] / meta["map"]["columns"]
    assert row * tall <= 640 < (row + 1) * tall
    assert column * wide <= 333 < (column + 1) * wide


def test_spacing_orientation_and_windows_travel():
    meta, *_ = unpack(
        pack(
            picture(
                np.zeros((4, 8)),
                spacing=(0.4, 0.2),
                orientation={"left": "R", "right": "L", "top": "H", "bottom": "F"},
                slices_toward="H",
                windows=(
                    Window(label="lung", low=-1350, high=150),
                    Window(label="curve", low=0, high=9, sigmoid=True),
                    Window(label="table", low=0, high=9, table=(0.0, 0.2, 1.0)),
                ),
            )
        )
    )
    assert meta["aspect"] == pytest.approx(2)
    assert meta["spacing"] == pytest.approx(0.2)
    assert meta["orientation"]["left"] == "R"
    assert meta["slices_toward"] == "H"
    lung, curve, table = meta["windows"]
    assert (lung["label"], lung["low"], lung["high"]) == ("lung", -1350, 150)
    assert (lung["sigmoid"], curve["sigmoid"]) == (False, True)
    assert (lung["table"], table["table"]) == ([], [0.0, 0.2, 1.0])


@pytest.mark.parametrize("low", [0, -1024, 40000])
def test_whole_numbers_of_sixteen_bits_travel_as_they_are(low):
    pixels = np.random.default_rng(0).integers(low, low + 25001, (64, 48)).astype(np.float32)
    pixels[0, :2] = low, low + 25000
    meta, shown, _ = unpack(pack(picture(pixels)))
    assert (meta["slope"], meta["intercept"], meta["maximum"]) == (1.0, low, low + 25000)
    assert np.array_equal(shown[0, :, :, 0], pixels)
