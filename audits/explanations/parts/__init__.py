"""Explanations whose players are parts of an input: windows of time, sentences, modalities."""
