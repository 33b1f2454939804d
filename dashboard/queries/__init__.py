"""The only door to the audits: small frozen keys in, results out."""

__all__: list[str] = []
