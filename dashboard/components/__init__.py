"""Components of our own, where Streamlit has none."""

__all__: list[str] = []
