"""What is the analysis-ready record?

May import: ground, config, geo, sources.
"""
