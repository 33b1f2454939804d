"""One adapter per format of the model folder."""
