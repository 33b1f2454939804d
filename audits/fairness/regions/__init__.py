"""Regions by group: overlap and boundary distance of segmentations, sensitivity of detections."""
