"""The command line as `python -m divulge.cli`."""

from divulge.cli.app import main

main()
