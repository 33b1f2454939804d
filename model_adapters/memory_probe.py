"""What one case costs in memory while it runs through a model."""

from __future__ import annotations

from typing import Any

from model_adapters.base import ModelAdapter, Prepared

# Working space beyond the tensors themselves: convolution workspaces, allocator rounding.
_OVERHEAD = 2


def bytes_of_one_case(adapter: ModelAdapter, prepared: Prepared, *, gradients: bool) -> int:
    """Return the bytes one case needs while it is predicted or differentiated.

    For a network every operation of one forward pass is watched, in this thread only and without
    hooks on the shared module: a prediction needs the largest operation's inputs and outputs, a
    backward pass keeps the outputs of all of them.

    Args:
        adapter: The model.
        prepared: Exactly one prepared case.
        gradients: Whether activations are kept.
    """
    own = sum(_bytes(value) for value in prepared.values())
    if "grad" not in adapter.caps:
        return _OVERHEAD * own
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        largest = 0
        total = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            outputs = sum(_bytes(leaf) for leaf in tree_leaves(result) if torch.is_tensor(leaf))
            inputs = sum(_bytes(leaf) for leaf in tree_leaves(args) if _is_activation(leaf))
            self.largest = max(self.largest, inputs + outputs)
            self.total += outputs
            return result

    def _is_activation(leaf: Any) -> bool:
        return bool(torch.is_tensor(leaf) and not isinstance(leaf, torch.nn.Parameter))

    with Watch() as watch:  # type: ignore[no-untyped-call]  # as above
        adapter.predict(prepared)
    kept = int(watch.total) if gradients else 0
    return own + kept + _OVERHEAD * int(watch.largest)


def _bytes(value: Any) -> int:
    return int(getattr(value, "nbytes", 0))
