"""Raw clinical values to what a model takes, and maps back to where they came from."""

from __future__ import annotations

from model_adapters.preprocessing.geometry import ImageGeometry, fit_geometry
from model_adapters.preprocessing.inputs import Inputs
from model_adapters.preprocessing.table import column_names, table_features

__all__ = ["ImageGeometry", "Inputs", "column_names", "fit_geometry", "table_features"]
