"""Generator of the sample study ``chest_xray``: drawn radiographs with known planted faults."""
