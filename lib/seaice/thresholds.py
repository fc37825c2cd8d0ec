"""From which value on does a cell count as ice? The only place that says so."""

ICE_EDGE = 0.15  # SIC fraction at the ice edge: the usual definition, and Andersson et al. 2021
SIP_EDGE = 0.5  # a forecast says "ice" above this probability, Andersson et al. 2021
FULL_ICE = 0.80  # SIC fraction, lower bound of the class "full ice", Andersson et al. 2021
