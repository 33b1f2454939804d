"""Generate the sample study ``icu_deterioration``: cohort, models and measured truth."""
