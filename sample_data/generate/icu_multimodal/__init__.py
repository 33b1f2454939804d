"""Generator of the sample study `icu_multimodal`: vitals over time, notes and radiographs."""
