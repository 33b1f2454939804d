"""Generators of the sample studies; not installed with the package."""
