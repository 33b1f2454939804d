"""explanations package."""
