"""`python -m gerank` is the command `gerank`."""

from gerank.cli import main

main()
