"""Predictions that repeat during a stay: found events, alarms per day and lead time, by group."""
