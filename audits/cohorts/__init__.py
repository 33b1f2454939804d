"""Cohorts: study folders, tables of predictions, image readers, groups and their hashes."""

from audits.cohorts.groups import UNKNOWN, Attribute, GroupSpec, parse_group
from audits.cohorts.images import Orientation, StudyImage, Window
from audits.cohorts.inputs import InputColumn
from audits.cohorts.labels import LabelColumn
from audits.cohorts.opening import open_study
from audits.cohorts.study import Study
from audits.cohorts.table import CohortTable, ScoreColumn, open_table

__all__ = [
    "UNKNOWN",
    "Attribute",
    "CohortTable",
    "GroupSpec",
    "InputColumn",
    "LabelColumn",
    "Orientation",
    "ScoreColumn",
    "Study",
    "StudyImage",
    "Window",
    "open_study",
    "open_table",
    "parse_group",
]
