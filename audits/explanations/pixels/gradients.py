"""Attributions of pixels by gradients: integrated, expected and smoothed, in chunks.

Parameters are frozen and the forward pass is shared by all wanted outputs, so memory follows the
chunk and not the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from audits.explanations.cams.holding import differentiable, held
from audits.explanations.pixels.occlusion import repeat_rows
from audits.explanations.spaces import explained_tensor

if TYPE_CHECKING:
    import torch

    from model_adapters.base import ModelAdapter

ROWS_PER_STEP = 8
IG_STEPS = 50
EG_SAMPLES = 64
SMOOTH_SAMPLES = 32
SMOOTH_NOISE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelGame:
    """One image of one case, seen as a differentiable function of its pixels.

    Attributes:
        adapter: A model with the capability ``grad``.
        case: The prepared case, leading axis 1.
        field: The image.
        outputs: Indices of the outputs wanted.
    """

    adapter: ModelAdapter
    case: Mapping[str, Any]
    field: str
    outputs: Sequence[int]

    @property
    def image(self) -> torch.Tensor:
        """Return the image (channels, *spatial), detached."""
        import torch

        return torch.as_tensor(self.case[self.field])[0].detach().clone()

    def gradients(self, images: torch.Tensor) -> torch.Tensor:
        """Return the gradients at some images, (outputs, images, channels, *spatial)."""
        import torch

        with self._ready():
            points = images.detach().clone().requires_grad_()
            batch = {name: repeat_rows(value, len(points)) for name, value in self.case.items()}
            batch[self.field] = points
            forward = cast("Any", self.adapter).forward
            values = explained_tensor(forward(batch), self.adapter.output.space).sum(dim=0)
            slopes = []
            for place, index in enumerate(self.outputs):
                (slope,) = torch.autograd.grad(
                    values[index], points, retain_graph=place + 1 < len(self.outputs)
                )
                slopes.append(slope)
            return torch.stack(slopes)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        layered = "layers" in self.adapter.caps
        holding = held(cast("Any", self.adapter).module()) if layered else nullcontext()
        with holding, differentiable():
            yield


def integrated_gradients(
    game: PixelGame, baseline: torch.Tensor, *, steps: int = IG_STEPS
) -> npt.NDArray[np.float64]:
    """Integrate the gradient from a baseline to the image (Sundararajan et al., ICML 2017).

    Midpoint rule; effects add up to f(image) - f(baseline) up to the rule's error.

    Args:
        game: The image.
        baseline: (channels, *spatial).
        steps: Points on the path.

    Returns:
        (outputs, channels, *spatial).
    """
    import torch

    image = game.image
    path = (torch.arange(steps, dtype=image.dtype, device=image.device) + 0.5) / steps
    shift = image - baseline
    total = None
    for start in range(0, steps, ROWS_PER_STEP):
        share = path[start : start + ROWS_PER_STEP].view(-1, *(1,) * image.ndim)
        part = game.gradients(baseline + share * shift).sum(dim=1).double()
        total = part if total is None else total + part
    return _numpy(cast("torch.Tensor", total) * shift / steps)


def expected_gradients(
    game: PixelGame, background: torch.Tensor, *, samples: int = EG_SAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Average integrated gradients over a background (Erion et al., Nature MI 3, 2021).

    Background rows take turns and the path is stratified, which lowers the spread at the same
    cost; effects add up to f(image) - mean f(background) in expectation.

    Args:
        game: The image.
        background: (rows, channels, *spatial).
        samples: Points drawn.
        seed: Seed of the draw.

    Returns:
        (outputs, channels, *spatial).
    """
    import torch

    image = game.image
    rng = np.random.default_rng(seed)
    rows = np.resize(rng.permutation(len(background)), samples)
    alpha = (rng.permutation(samples) + rng.random(samples)) / samples
    total = None
    for start in range(0, samples, ROWS_PER_STEP):
        others = background[rows[start : start + ROWS_PER_STEP]].to(image)
        share = torch.as_tensor(alpha[start : start + ROWS_PER_STEP]).to(image)
        share = share.view(-1, *(1,) * image.ndim)
        shift = image - others
        part = (game.gradients(others + share * shift) * shift).sum(dim=1).double()
        total = part if total is None else total + part
    return _numpy(cast("torch.Tensor", total) / samples)


def smoothgrad(
    game: PixelGame,
    *,
    samples: int = SMOOTH_SAMPLES,
    noise: float = SMOOTH_NOISE,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Average the gradient over noisy copies (Smilkov et al., arXiv 1706.03825).

    Args:
        game: The image.
        samples: Noisy copies.
        noise: Standard deviation as a share of the image's range.
        seed: Seed of the noise.

    Returns:
        (outputs, channels, *spatial): mean slope per unit of the model's input.
    """
    import torch

    image = game.image
    generator = torch.Generator().manual_seed(seed)
    spread = noise * float(image.max() - image.min())
    total = None
    for start in range(0, samples, ROWS_PER_STEP):
        count = min(ROWS_PER_STEP, samples - start)
        drawn = torch.randn(count, *image.shape, generator=generator).to(image)
        part = game.gradients(image + spread * drawn).sum(dim=1).double()
        total = part if total is None else total + part
    return _numpy(cast("torch.Tensor", total) / samples)


def _numpy(values: torch.Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)
