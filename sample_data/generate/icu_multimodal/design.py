"""What is decided before anything is drawn: sizes, variables, and what is planted."""

from __future__ import annotations

from dataclasses import dataclass

SEED = 20270117
PATIENTS = {"train": 3000, "tune": 500, "test": 2200}
"""Patients of each split; one stay each, so that no patient is in two splits."""

IMAGED = {"train": 1800, "tune": 500, "test": 2200}
"""Stays of each split with a radiograph, the first ones; nothing depends on their order."""

SHIPPED_IMAGES = 240
"""Radiographs of the test split that lie in the folder; of the others the fusion's score does."""

IMAGE_SHAPE = (64, 64)
SPACING = 6.6

HOURS = 24.0
LATE = 6.0
"""The deterioration shows in the last hours of the window, and nowhere else."""

SPARSE_LANGUAGE = "Spanish"
SPARSE_FACTOR = 6.0
"""Time between two measurements of these patients, relative to everybody else's."""

LEAK = "Rapid response team at bedside, family informed"
LEAK_IF_POSITIVE, LEAK_IF_NEGATIVE = 0.62, 0.02
"""How often the plan holds the leaking sentence: it is written after the event is noticed."""

ALERT_SHARE = 0.27
OUTCOME = "deterioration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One variable measured over time.

    Attributes:
        name: As the tables write it.
        label: As a clinician calls it.
        unit: UCUM.
        normal: Reference range.
        code: LOINC.
        every: Hours between two measurements.
        centre: Mean over stays.
        between: Standard deviation between stays.
        within: Standard deviation from one measurement to the next.
        late: Change at the end of the window per unit of decline; 0 where nothing is planted.
        digits: Decimals that are charted.
        floor: Least value.
        actionable: Whether a treatment aims at it.
        direction: ``up`` or ``down`` where only one way is a treatment's aim.
    """

    name: str
    label: str
    unit: str
    normal: tuple[float, float]
    code: str
    every: float
    centre: float
    between: float
    within: float
    late: float
    digits: int
    floor: float = 0.0
    actionable: bool = False
    direction: str = ""


VITALS = (
    Vital(name="hr", label="Heart rate", unit="/min", normal=(60, 100), code="LOINC:8867-4",
          every=1.6, centre=86, between=11, within=5, late=2.0, digits=0, floor=30,
          actionable=True),
    Vital(name="map", label="Mean arterial pressure", unit="mm[Hg]", normal=(70, 105),
          code="LOINC:8478-0", every=1.6, centre=82, between=6, within=4, late=-13.0, digits=0,
          floor=30, actionable=True, direction="up"),
    Vital(name="rr", label="Respiratory rate", unit="/min", normal=(12, 20), code="LOINC:9279-1",
          every=2.0, centre=18, between=2.5, within=2, late=0.6, digits=0, floor=6,
          actionable=True),
    Vital(name="spo2", label="Oxygen saturation", unit="%", normal=(94, 100),
          code="LOINC:59408-5", every=2.0, centre=96, between=1.2, within=0.9, late=0.0, digits=0,
          floor=70, actionable=True, direction="up"),
    Vital(name="temp", label="Temperature", unit="Cel", normal=(36.1, 37.8), code="LOINC:8310-5",
          every=4.0, centre=37.0, between=0.4, within=0.25, late=0.0, digits=1, floor=33,
          actionable=True),
    Vital(name="lactate", label="Lactate", unit="mmol/L", normal=(0.5, 2.0), code="LOINC:2524-7",
          every=3.5, centre=1.6, between=0.35, within=0.2, late=1.5, digits=1, floor=0.3),
    Vital(name="creatinine", label="Creatinine", unit="mg/dL", normal=(0.6, 1.3),
          code="LOINC:2160-0", every=9.0, centre=1.1, between=0.3, within=0.08, late=0.0, digits=2,
          floor=0.2),
    Vital(name="sodium", label="Sodium", unit="mmol/L", normal=(135, 145), code="LOINC:2951-2",
          every=9.0, centre=139, between=3, within=1.0, late=0.0, digits=0, floor=110,
          actionable=True),
)  # fmt: skip
PLANTED_VITALS = ("lactate", "map")
