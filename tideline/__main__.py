"""Entry point of `python -m tideline`: the `tideline` command of this checkout."""

from tideline.cli import run

if __name__ == "__main__":
    run()
