"""What learns, and how?

May import: ground, config, geo, sources, prepare, twin, samples.
"""
