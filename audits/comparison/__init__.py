"""comparison package."""
