"""Why a segmentation looks as it does: which pixels are asked about, and what moves them."""

from audits.explanations.segmentation.facts import RegionFacts
from audits.explanations.segmentation.regions import Region, parse_region
from audits.explanations.segmentation.scores import RegionScores, explainable, fixed_to

__all__ = ["Region", "RegionFacts", "RegionScores", "explainable", "fixed_to", "parse_region"]
