"""`python -m services.cli`: the `rasid` command."""

from services.cli.app import main

if __name__ == "__main__":
    main()
