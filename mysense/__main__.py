"""``python -m mysense``: the command line."""

from mysense.cli import main

if __name__ == "__main__":
    main()
