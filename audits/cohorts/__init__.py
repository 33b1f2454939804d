"""Cohorts: study folders, tables of predictions, image readers, groups and their hashes."""

from audits.cohorts.groups import UNKNOWN, Attribute, GroupSpec, parse_group
from audits.cohorts.labels import LabelColumn
from audits.cohorts.table import CohortTable, ScoreColumn, open_table

__all__ = [
    "UNKNOWN",
    "Attribute",
    "CohortTable",
    "GroupSpec",
    "LabelColumn",
    "ScoreColumn",
    "open_table",
    "parse_group",
]
