"""The validity suite: do the verdicts keep what they promise?

Simulated audits go through :func:`audits.audit_predictions`, the same path as a person's. Run all
of it with ``python -m benchmarks.validity`` (hours on two cores), or a part with ``--only``.
"""
