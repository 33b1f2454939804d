"""The formulas that turn activations and gradients into maps. No ReLU, no scaling.

Shapes: ``a`` is (n, channels, *grid), ``g`` the gradient of one output with respect to it, the
result (n, *grid). Positive raises the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import torch

CamMethod = Literal["gradcam", "hirescam", "gradcam++", "layercam", "eigencam"]

Formula = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def gradcam(a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Weigh channels by their mean gradient (Selvaraju et al., ICCV 2017, without the ReLU)."""
    return (g.flatten(2).mean(dim=2).view(*g.shape[:2], *(1,) * (a.ndim - 2)) * a).sum(dim=1)


def hirescam(a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Multiply cell by cell (Draelos and Carin, arXiv 2011.08891): faithful for linear heads."""
    return (g * a).sum(dim=1)


def gradcam_plus_plus(a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Weigh positive gradients by second and third order (Chattopadhay et al., WACV 2018)."""
    spatial = tuple(range(2, a.ndim))
    square = g * g
    share = square / (2 * square + a.sum(dim=spatial, keepdim=True) * square * g).where(
        square > 0, 1.0
    )
    weight = (share.nan_to_num(0.0, 0.0, 0.0) * g.relu()).sum(dim=spatial, keepdim=True)
    return (weight * a).sum(dim=1)


def layercam(a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Weigh every cell by its own positive gradient (Jiang et al., IEEE TIP 2021)."""
    return (g.relu() * a).sum(dim=1)


def eigencam(a: torch.Tensor) -> torch.Tensor:
    """Project on the first principal direction (Muhammad and Yeasin, IJCNN 2020).

    The same map for every output: it shows what the layer sees, not what raised a score. The
    sign, which the decomposition leaves open, is chosen so that the sum is positive.
    """
    import torch

    cells = a.flatten(2).transpose(1, 2)
    _, _, right = torch.linalg.svd(cells, full_matrices=False)
    projected = torch.einsum("npc,nc->np", cells, right[:, 0])
    sign = torch.where(projected.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return (projected * sign).view(a.shape[0], *a.shape[2:])


GRADIENT_FORMULAS: Mapping[str, Formula] = {
    "gradcam": gradcam,
    "hirescam": hirescam,
    "gradcam++": gradcam_plus_plus,
    "layercam": layercam,
}

CAM_METHODS: tuple[CamMethod, ...] = cast("tuple[CamMethod, ...]", (*GRADIENT_FORMULAS, "eigencam"))
