"""How do other programs and browsers get the finished forecasts?

May import: ground, products, decisions.
"""
