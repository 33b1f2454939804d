"""The clinical variables: what they are called and which equation of the model makes them.

One table serves three readers: ``variables.csv``, the structural model and the models' inputs.
Reference ranges are those of adults; codes are LOINC, for conditions SNOMED CT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One row of ``variables.csv``."""

    name: str
    label: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    code: str = ""
    protected: bool = False
    actionable: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Variable):
    """A lab value or vital sign: ``x = base + Σ load · cause + noise · ε``.

    Attributes:
        base: Value of a patient with every cause at 0 (its logarithm where ``log``).
        loads: Cause -> change of x for one unit of the cause. Causes are the organ failures of
            :mod:`sample_data.generate.icu.physiology` and columns of the person.
        noise: Standard deviation of x that nothing in the model explains.
        log: x is the natural logarithm of the value.
        limits: Values outside are cut off; a device or laboratory would not report them.
        decimals: Digits as charted.
        ordered: Logit of the probability that it is measured at all in a stay of severity 0.
        ordered_by: Cause -> change of that logit: missingness is informative.
    """

    base: float
    loads: Mapping[str, float]
    noise: float
    log: bool = False
    limits: tuple[float, float]
    decimals: int = 1
    ordered: float = 4.0
    ordered_by: Mapping[str, float] = field(default_factory=dict)


PERSON = (
    Variable(
        name="age",
        label="Age",
        unit="a",
        code="LOINC:30525-0",
        protected=True,
        description="Age at the start of the stay.",
    ),
    Variable(
        name="sex",
        label="Sex",
        code="LOINC:46098-0",
        protected=True,
        description="Administrative sex: F or M.",
    ),
    Variable(
        name="unit",
        label="Intensive care unit",
        description="Cardiac, Medical, Neuro or Surgical.",
    ),
    Variable(
        name="deprivation_index",
        label="Area deprivation index",
        unit="{percentile}",
        description="National percentile of the home's neighbourhood, 1 to 100 (most deprived).",
    ),
)

CONDITIONS = (
    Variable(name="diabetes", label="Diabetes mellitus", code="SNOMED:73211009"),
    Variable(name="heart_failure", label="Heart failure", code="SNOMED:84114007"),
    Variable(name="copd", label="Chronic obstructive pulmonary disease", code="SNOMED:13645005"),
    Variable(name="ckd", label="Chronic kidney disease", code="SNOMED:709044004"),
    Variable(name="cirrhosis", label="Cirrhosis of the liver", code="SNOMED:19943007"),
    Variable(name="cancer", label="Malignant neoplasm", code="SNOMED:363346000"),
)

LABS = (
    Measurement(
        name="lactate",
        label="Lactate",
        unit="mmol/L",
        low=0.5,
        high=2.2,
        code="LOINC:2524-7",
        description="Last value before the prediction; ordered when shock is suspected.",
        base=0.3,
        loads={"circulation": 0.36, "infection": 0.12, "liver": 0.10},
        noise=0.24,
        log=True,
        limits=(0.3, 20),
        ordered=-0.4,
        ordered_by={"severity": 0.7, "circulation": 0.8},
    ),
    Measurement(
        name="creatinine",
        label="Creatinine",
        unit="mg/dL",
        low=0.6,
        high=1.3,
        code="LOINC:2160-0",
        base=-0.15,
        loads={"kidney": 0.40, "ckd": 0.45, "male": 0.18},
        noise=0.15,
        log=True,
        limits=(0.2, 15),
        decimals=2,
        ordered=3.0,
    ),
    Measurement(
        name="bilirubin",
        label="Bilirubin, total",
        unit="mg/dL",
        low=0.1,
        high=1.2,
        code="LOINC:1975-2",
        base=-0.5,
        loads={"liver": 0.55, "cirrhosis": 0.6},
        noise=0.3,
        log=True,
        limits=(0.1, 40),
        ordered=-0.1,
        ordered_by={"severity": 0.5, "cirrhosis": 1.5},
    ),
    Measurement(
        name="platelets",
        label="Platelets",
        unit="10*3/uL",
        low=150,
        high=400,
        code="LOINC:777-3",
        base=5.4,
        loads={"liver": -0.2, "infection": -0.12, "cirrhosis": -0.25},
        noise=0.28,
        log=True,
        limits=(5, 1200),
        decimals=0,
        ordered=2.6,
    ),
    Measurement(
        name="wbc",
        label="Leukocytes",
        unit="10*3/uL",
        low=4,
        high=11,
        code="LOINC:6690-2",
        base=2.1,
        loads={"infection": 0.32},
        noise=0.25,
        log=True,
        limits=(0.2, 80),
        ordered=2.6,
    ),
    Measurement(
        name="haemoglobin",
        label="Haemoglobin",
        unit="g/dL",
        low=12,
        high=17,
        code="LOINC:718-7",
        base=11.6,
        loads={"male": 0.8, "ckd": -0.9, "cancer": -0.9, "circulation": -0.35},
        noise=1.4,
        limits=(3.5, 20),
        ordered=2.8,
        actionable=True,
    ),
    Measurement(
        name="sodium",
        label="Sodium",
        unit="mmol/L",
        low=135,
        high=145,
        code="LOINC:2951-2",
        base=138.5,
        loads={"heart_failure": -1.5, "cirrhosis": -2.0, "kidney": -0.4},
        noise=3.6,
        limits=(110, 170),
        decimals=0,
        ordered=3.2,
        actionable=True,
    ),
    Measurement(
        name="potassium",
        label="Potassium",
        unit="mmol/L",
        low=3.5,
        high=5.1,
        code="LOINC:2823-3",
        base=4.1,
        loads={"kidney": 0.22, "ckd": 0.2},
        noise=0.42,
        limits=(2, 8.5),
        ordered=3.2,
        actionable=True,
    ),
    Measurement(
        name="glucose",
        label="Glucose",
        unit="mg/dL",
        low=70,
        high=140,
        code="LOINC:2345-7",
        base=4.8,
        loads={"diabetes": 0.28, "infection": 0.08, "severity": 0.06},
        noise=0.22,
        log=True,
        limits=(25, 900),
        decimals=0,
        ordered=3.0,
        actionable=True,
    ),
    Measurement(
        name="urea_nitrogen",
        label="Urea nitrogen",
        unit="mg/dL",
        low=7,
        high=20,
        code="LOINC:3094-0",
        base=2.8,
        loads={"kidney": 0.38, "ckd": 0.35, "heart_failure": 0.15},
        noise=0.25,
        log=True,
        limits=(2, 200),
        decimals=0,
        ordered=2.9,
    ),
    Measurement(
        name="ph",
        label="Arterial pH",
        low=7.35,
        high=7.45,
        code="LOINC:2744-1",
        description="Blood gas; drawn when breathing or circulation worry somebody.",
        base=7.395,
        loads={"breathing": -0.022, "circulation": -0.028, "kidney": -0.012},
        noise=0.035,
        limits=(6.8, 7.7),
        decimals=2,
        ordered=-0.6,
        ordered_by={"severity": 0.5, "breathing": 0.9},
    ),
    Measurement(
        name="inr",
        label="INR",
        low=0.8,
        high=1.2,
        code="LOINC:6301-6",
        base=0.12,
        loads={"liver": 0.16, "cirrhosis": 0.25},
        noise=0.14,
        log=True,
        limits=(0.8, 12),
        ordered=0.9,
        ordered_by={"severity": 0.4, "cirrhosis": 0.8},
    ),
)

VITALS = (
    Measurement(
        name="heart_rate",
        label="Heart rate",
        unit="/min",
        low=60,
        high=100,
        code="LOINC:8867-4",
        base=84,
        loads={"circulation": 7, "infection": 6, "breathing": 3, "age_decades": -1.5},
        noise=10,
        limits=(30, 210),
        decimals=0,
        actionable=True,
    ),
    Measurement(
        name="respiratory_rate",
        label="Respiratory rate",
        unit="/min",
        low=12,
        high=20,
        code="LOINC:9279-1",
        base=18,
        loads={"breathing": 3.2, "infection": 1.2, "circulation": 0.7},
        noise=2.8,
        limits=(6, 55),
        decimals=0,
        ordered=3.6,
        actionable=True,
    ),
    Measurement(
        name="spo2",
        label="Oxygen saturation",
        unit="%",
        low=94,
        high=100,
        code="LOINC:59408-5",
        base=96.6,
        loads={"breathing": -1.7, "copd": -1.6},
        noise=1.4,
        limits=(60, 100),
        decimals=0,
        actionable=True,
    ),
    Measurement(
        name="systolic_pressure",
        label="Systolic blood pressure",
        unit="mm[Hg]",
        low=90,
        high=140,
        code="LOINC:8480-6",
        base=124,
        loads={"circulation": -10, "age_decades": 2.5, "ckd": 4},
        noise=12,
        limits=(45, 240),
        decimals=0,
        actionable=True,
    ),
    Measurement(
        name="mean_pressure",
        label="Mean arterial pressure",
        unit="mm[Hg]",
        low=65,
        high=100,
        code="LOINC:8478-0",
        base=82,
        loads={"circulation": -8, "infection": -2},
        noise=7,
        limits=(30, 160),
        decimals=0,
        actionable=True,
    ),
    Measurement(
        name="temperature",
        label="Body temperature",
        unit="Cel",
        low=36,
        high=38,
        code="LOINC:8310-5",
        base=36.9,
        loads={"infection": 0.42},
        noise=0.45,
        limits=(32, 42),
        ordered=3.2,
        actionable=True,
    ),
    Measurement(
        name="gcs",
        label="Glasgow Coma Scale",
        unit="{score}",
        low=15,
        high=15,
        code="LOINC:9269-2",
        description="Total of eye, verbal and motor response, 3 to 15.",
        base=14.9,
        loads={"brain": -2.1},
        noise=0.6,
        limits=(3, 15),
        decimals=0,
        ordered=3.0,
    ),
    Measurement(
        name="urine_output",
        label="Urine output",
        unit="mL/kg/h",
        low=0.5,
        high=2,
        description="Mean of the last six hours.",
        base=0.0,
        loads={"kidney": -0.38, "circulation": -0.2},
        noise=0.35,
        log=True,
        limits=(0.01, 6),
        decimals=2,
        ordered=1.8,
        ordered_by={"severity": 0.3},
        actionable=True,
    ),
)

MEASUREMENTS = (*LABS, *VITALS)
VARIABLES: tuple[Variable, ...] = (*PERSON, *CONDITIONS, *MEASUREMENTS)
