"""Make `python -m seaice.realtime` write the forecast of a finished run."""

from seaice.realtime import production

production.main()
