"""How good would the forecasts of a forecaster have been who learns as the record grows?

Each year is forecast with what had been learnt before, judged when its truth arrives, and then
learnt from.

May import: ground, config, geo, sources, prepare, twin, samples, networks, baselines, forecasts,
verify.
"""
