"""What people read in the study folder: ``study.toml``, ``policy.toml`` and ``README.md``."""

from __future__ import annotations

from typing import Any

STUDY = """\
[study]
name = "chest_xray"
version = "1.0"
description = "Drawn frontal chest radiographs of invented patients, with known planted faults."
licence = "CC0-1.0"

[cases]
table = "cases.parquet"
id = "case_id"
patient = "patient_id"
time = "acquired"
split = "split"
audit_split = "test"
scope = "same_source_test"

[labels.effusion]
column = "effusion"
positive = 1
[labels.nodule]
column = "nodule"
positive = 1
[labels.cardiomegaly]
column = "cardiomegaly"
positive = 1

[groups.sex]
column = "sex"
[groups.age_band]
column = "age"
bands = [18, 40, 60, 80]
[groups.site]
column = "site"
kind = "site"
[groups.view]
column = "view"
kind = "clinical"
[groups.insurance]
column = "insurance"

[inputs.image]
column = "image_path"
kind = "dicom"
mask_columns = { effusion = "effusion_mask", nodule = "nodule_mask", \
cardiomegaly = "cardiomegaly_mask" }
anatomy_mask_column = "lung_mask"
marker_mask_column = "marker_mask"
"""

POLICY = """\
# Declared before the sample audit is computed, and hashed into the run.

[audit]
alpha = 0.05
groups = ["sex", "age_band", "site", "view", "insurance"]
intersections = [["sex", "age_band"]]
required_groups = ["race", "ethnicity", "language", "sex", "age_band", "disability"]
verdict_metrics = ["tpr", "fpr", "auroc"]
min_effective_n = 10
min_effective_per_class = 30

[audit.reference]
sex = "rest"
age_band = "rest"
site = "rest"
view = "rest"
insurance = "rest"

[margin]
tpr = 0.10
fpr = 0.10
auroc = 0.05

[reasons]
"audit.alpha" = "The customary level; it bounds the share of fair audits that raise any disparity."
"audit.groups" = "Who the patient is (sex, age, insurance) and how the image was made (site, view)."
"audit.intersections" = "Breast tissue differs by sex and age together, and lies over the lungs."
"audit.required_groups" = "The bases a reviewer under 45 CFR 92.210 and HTI-1 looks for; the study \
does not hold race, ethnicity, language or disability."
"audit.verdict_metrics" = "Missed findings, false alarms and ranking; observed over expected is \
left out because version 2.0's probabilities are not calibrated to the study's prevalence."
"audit.min_effective_n" = "Below ten effective cases no margin in use can be settled."
"audit.min_effective_per_class" = "Below thirty a class the interval of the AUROC loses its level."
"margin.tpr" = "Ten missed findings in a hundred: the difference between two readers of chest \
radiographs, so a smaller gap would not change whom the model is used for."
"margin.fpr" = "Ten needless alarms in a hundred: one more second look in ten normal images."
"margin.auroc" = "A step in ranking, such as .90 to .95, that a reader notices."
"causes.population" = "Invented for the sample: what a region's radiology register would say of \
all adult radiographs. It shows whom the cohort over- and under-represents."
"suppression.release" = "The patients are invented, so exact counts may be shown."
"suppression.cell" = "Kept at the customary ten for the restricted release."

[causes.population.sex]                # who is sent for a radiograph where the model will be used
F = 0.48
M = 0.52
[causes.population.age_band]
"18-<40" = 0.22
"40-<60" = 0.28
"60-<80" = 0.34
">=80" = 0.16

[suppression]
release = "internal"
cell = 10

[[gate.rule]]
metric = "tpr"
scope = "every group"
kind = "verdict"
limit = "equivalent"
on_inconclusive = "warn"

[[gate.rule]]
metric = "shortcut"
kind = "verdict"
limit = "not_used"
on_inconclusive = "warn"
"""

_README = """\
# chest_xray

A study of {cases:,} drawn frontal chest radiographs of {patients:,} invented patients, of which
{shipped} are shipped as DICOM files, with two versions of a small network. Nothing here comes from
a person. Its faults are planted and their sizes are known, so that an audit can be checked
against the truth: [`truth.json`](truth.json).

Licence: the images, tables and weights are CC0-1.0; the generator is Apache-2.0 like the rest.

## What is here

| file | holds |
|---|---|
| `study.toml`, `policy.toml` | what the study declares, and what is audited in it |
| `cases.parquet` | {cases:,} test cases; the columns `image_path` and `…_mask` are \
empty where no file is shipped |
| `images/*.dcm` | Computed Radiography, 12 bits, JPEG 2000 lossless; \
Riverside stores MONOCHROME1, Harbour a rescale intercept |
| `masks/*.png` | lung, marker, and each finding that is present; 1 bit |
| `models/1.0`, `models/2.0` | weights, manifest, and the logits of all \
test cases (the very same weights on the very same pixels) |
| `truth.json` | every planted effect, as measured, beside what was not planted |

`age`, `sex`, `site`, `view` and `insurance` are drawn independently of the findings.
`effusion_faint` marks effusions that are barely visible, `breast_tissue` and `marker` what was
drawn. A nodule and an enlarged heart stay with the patient; fluid comes and goes.

## What is planted

1. **A marker that goes with effusion.** Northgate's ward lays a plaque "L WD" on the detector. In
   the training images it lies on 93 % of those with effusion and 4 % of those without; in the
   test images on half of all, whatever they show. Version 1.0 reads it: occluding the plaque
   lowers the effusion logit by {plaque_1:.1f} on average, a sham patch by {sham_1:.2f}; in version
   2.0 the plaque counts {plaque_2:.2f}. The plain letters of the other sites go with nothing
   (version 1.0 mistakes them a little, by {letter_1:.1f}). Exposure and noise are drawn
   independently of site and marker, and 40 % of effusions are barely visible.
2. **Nodules of women under 40.** Version 1.0's training labels miss most nodules behind dense
   breasts, which 85 % of women under 40 have and 10 % of older women. Its sensitivity for nodules
   is {yw_1:.2f} in women under 40 and {rest_1:.2f} in all others; in version 2.0 {yw_2:.2f} and
   {rest_2:.2f}.
3. **A group that is truly fine.** `insurance` touches neither pixels nor labels.
4. **A price.** The second reading behind version 2.0 called most borderline hearts normal:
   sensitivity for cardiomegaly is {heart_1:.2f} in 1.0 and {heart_2:.2f} in 2.0.

## How it was made

    python -m sample_data.generate.chest_xray

draws all images, trains both versions and writes this folder, from a fixed seed, in about
13 minutes on 2 idle CPU cores. Images and tables come out the same; weights, and so scores, can
differ in their last digits on another machine or with another version of PyTorch. Add
`--out DIR` to write elsewhere.
"""


def readme(numbers: dict[str, Any]) -> str:
    """Return the README with the measured numbers in it."""
    return _README.format(**numbers)
