"""Predictions: a model's scores over a cohort, one forward pass a batch, cached by content."""

from audits.predictions.cohort import predict_cohort
from audits.predictions.joining import OutputJoin, join_outputs
from audits.predictions.result import CohortMaps, CohortPredictions

__all__ = ["CohortMaps", "CohortPredictions", "OutputJoin", "join_outputs", "predict_cohort"]
