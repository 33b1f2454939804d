"""Class activation maps: every output's map from one forward pass."""

from audits.explanations.cams.engine import CamEngine, MapEngine, cam_engine

__all__ = ["CamEngine", "MapEngine", "cam_engine"]
