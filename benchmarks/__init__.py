"""Measurements against peers and of the product as a whole."""
