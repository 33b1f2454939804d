"""Attributions of pixels: by perturbation for any model, by gradients where there are any."""
