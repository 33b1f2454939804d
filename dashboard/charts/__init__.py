"""One place per chart: plain data in, Plotly figure, alternative text and table out.

Every chart is a frozen dataclass with ``figure()``, ``alt`` and ``frame()``. Plotly is imported
when a figure is drawn, so that the first page does not wait for it.
"""

from dashboard.charts.agreement import Agreement, CasePair
from dashboard.charts.beeswarm import Beeswarm, Dependence, Dot
from dashboard.charts.decision import Curve, DecisionCurves
from dashboard.charts.forest import Forest, ForestRow
from dashboard.charts.heatmap import Cell, GroupMap
from dashboard.charts.paired import PairedForest, PairedRow
from dashboard.charts.reliability import Reliability, ReliabilityBin
from dashboard.charts.style import Chart
from dashboard.charts.waterfall import Effect, Waterfall

__all__ = [
    "Agreement",
    "Beeswarm",
    "CasePair",
    "Cell",
    "Chart",
    "Curve",
    "DecisionCurves",
    "Dependence",
    "Dot",
    "Effect",
    "Forest",
    "ForestRow",
    "GroupMap",
    "PairedForest",
    "PairedRow",
    "Reliability",
    "ReliabilityBin",
    "Waterfall",
]
