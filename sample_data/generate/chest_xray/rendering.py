"""Draw many cases on several processes and keep what the networks see of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_adapters.base import ImageValue
from model_adapters.preprocessing.image import prepare_images
from model_adapters.schema import ImageInput

from .design import MODEL_SIZE
from .population import Case
from .radiograph import Radiograph, take_radiograph

INPUT = ImageInput(size=MODEL_SIZE, scale="0-1", mean=(0.5,), std=(0.25,))
"""What both versions declare in ``model.toml``; the adapter prepares the very same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A split as the networks see it.

    Attributes:
        seen: (n, 1, 128, 128) prepared inputs.
        plain: The same exposures without their markers.
        marker: (n, 128, 128) part of each pixel that a marker's box covers, 0 to 1.
        digest: sha256 over the stored pixels of all images, in order.
    """

    seen: npt.NDArray[np.float32]
    plain: npt.NDArray[np.float32]
    marker: npt.NDArray[np.float16]
    digest: str


def radiograph_of(case: Case) -> Radiograph:
    """Draw one case."""
    return take_radiograph(
        case.body, case.exam, case.marker, shape=case.site.shape, spacing=case.site.spacing
    )


def prepared(
    pixels: npt.NDArray[np.uint16] | npt.NDArray[np.float32], low: float, high: float
) -> npt.NDArray[np.float32]:
    """Return (1, 128, 128): the adapter's own preprocessing of stored pixels."""
    image = ImageValue(pixels=pixels.astype(np.float32), low=float(low), high=float(high))
    out: npt.NDArray[np.float32] = prepare_images("image", INPUT, [image])[0].numpy()
    return out


def render(cases: Sequence[Case], *, workers: int) -> Rendered:
    """Draw all cases; the result does not depend on the number of processes."""
    import torch

    torch.set_num_threads(1)
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        parts = list(pool.map(_network_view, cases, chunksize=32))
    digest = hashlib.sha256("".join(part[3] for part in parts).encode()).hexdigest()
    return Rendered(
        seen=np.stack([part[0] for part in parts]),
        plain=np.stack([part[1] for part in parts]),
        marker=np.stack([part[2] for part in parts]),
        digest=digest,
    )


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _network_view(
    case: Case,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float16], str]:
    image = radiograph_of(case)
    seen = prepared(image.pixels, image.low, image.high)
    plain = seen if case.marker is None else prepared(image.plain, image.low, image.high)
    cover = np.zeros(MODEL_SIZE, np.float16)
    if case.marker is not None:
        box = prepared(image.masks["marker"].astype(np.float32), 0, 1)[0]
        cover = (box * INPUT.std[0] + INPUT.mean[0]).astype(np.float16)
    return seen, plain, cover, hashlib.sha256(image.pixels.tobytes()).hexdigest()
