"""Make `python -m seaice.run` run the notebooks of a run file."""

from seaice.run import runner

runner.main()
