"""Tensor names of other libraries, translated to those of the registered networks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WRAPPERS = re.compile(r"^(?:module\.|densenet121\.|model\.|model_ft\.|net\.|backbone\.)+")
_OLD_LAYER = re.compile(r"(denselayer\d+)\.(norm|conv)\.([12])\.")
_DENSE_LAYER = re.compile(r"(denselayer\d+)\.(?=(?:norm|conv)[12]\.)")
_HEAD = re.compile(r"^(?:classifier|fc)\.(?:\d+\.)?(?=weight$|bias$)")


def torchvision_densenet121(name: str) -> str:
    """Translate a torchvision DenseNet-121 tensor name to MONAI's.

    Understands the CheXNet family (Rajpurkar et al. 2017 and its re-trainings): wrappers such as
    ``module.densenet121.``, a head inside ``Sequential(Linear, Sigmoid)``, and the dotted layer
    names (``norm.1``) of torchvision before 0.2.

    Example:
        >>> torchvision_densenet121("module.densenet121.classifier.0.weight")
        'class_layers.out.weight'
    """
    name = _WRAPPERS.sub("", name)
    name = _OLD_LAYER.sub(r"\1.\2\3.", name)
    name = _DENSE_LAYER.sub(r"\1.layers.", name)
    return _HEAD.sub("class_layers.out.", name)


KEY_MAPS = {"torchvision-densenet121": torchvision_densenet121}


def translated(key_map: str | None, names: Iterable[str]) -> Mapping[str, str]:
    """Return translated name -> name in the file, for a map of :data:`KEY_MAPS` or None."""
    translate = KEY_MAPS[key_map] if key_map else str
    return {translate(name): name for name in names}
