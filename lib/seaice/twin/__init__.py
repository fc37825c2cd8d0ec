"""What is the simulated world that the demo learns from?

May import: ground, config, geo, sources, prepare.
"""
