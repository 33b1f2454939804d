"""Does the map lie where the finding is? Against masks, overall and by subgroup."""

from audits.explanations.localisation.cohort import localise_cohort, with_localisation
from audits.explanations.localisation.metrics import Localisation, localise, otsu_threshold
from audits.explanations.localisation.sizes import misfitting_masks

__all__ = [
    "Localisation",
    "localise",
    "localise_cohort",
    "misfitting_masks",
    "otsu_threshold",
    "with_localisation",
]
