"""What is published, and what does it mean?

May import: ground, config, geo.
"""
