"""Runs `everything-server` from this checkout, for processes that are forked."""

from everything_site.console.main import main

if __name__ == "__main__":
    main()
