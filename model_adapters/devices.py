"""Which device a model runs on."""

from __future__ import annotations

from model_adapters.errors import DeviceError

DEVICES = ("auto", "cpu", "cuda", "mps")


def select_device(name: str = "auto") -> str:
    """Return the device to use.

    Args:
        name: ``auto`` takes CUDA where there is one, else Apple's MPS, else the CPU.

    Returns:
        ``cpu``, ``cuda`` or ``mps``.

    Raises:
        DeviceError: In one sentence, if the name is unknown or this machine has no such device.
    """
    if name == "cpu":
        return "cpu"
    if name not in DEVICES:
        raise DeviceError(f"device: expected one of {', '.join(DEVICES)}, found {name!r}.")
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return next((device for device, usable in there.items() if usable), "cpu")
    if not there[name]:
        msg = (
            f"device: {name!r} was asked for, but PyTorch finds no such device on this machine; "
            "use --device cpu or auto, or install a PyTorch build for your GPU."
        )
        raise DeviceError(msg)
    return name
