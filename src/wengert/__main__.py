"""``python -m wengert``, and the command ``wengert``: Ctrl-C is heard while modules are still imported."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from wengert.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
