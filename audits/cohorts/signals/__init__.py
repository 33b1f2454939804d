"""Readers of recordings over time: NumPy, CSV and plain WFDB records."""

from audits.cohorts.signals.reader import SignalFacts, open_signal

__all__ = ["SignalFacts", "open_signal"]
