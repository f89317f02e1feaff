"""Makes the benchmarks' modules importable, as they are when a benchmark is run as a program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
