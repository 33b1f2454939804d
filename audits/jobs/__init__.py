"""Audits that run by themselves: started from anywhere, watched and cancelled from anywhere.

A job is a process of its own. It outlives the page and the server that started it; its state is
a few small files in the store, so any process can read it.
"""

from __future__ import annotations

from audits.jobs.runner import JobRunner
from audits.jobs.state import Job, JobState

__all__ = ["Job", "JobRunner", "JobState"]
