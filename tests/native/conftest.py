"""Makes the benchmarks' tools importable: traces and random programs are made there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
