r"""Tables in, numbers out: reading, checking, splitting and encoding data.

A table is read strictly: what might have been misread is refused with file, line, column and value, because a
network trains on nonsense without complaint. Columns are then encoded, numbers standardised,

.. math:: \tilde x_i = \frac{x_i - \bar x_i}{s_i},

by the *training part alone*, so that pre-activations start near one and nothing of the validation and test
parts leaks into training.
"""

from wengert.data._encoders import (
    ENCODERS,
    MISSING_CODE,
    UNSEEN_CODE,
    Boolean,
    Category,
    Date,
    Embedding,
    Encoder,
    Number,
    Surprise,
)
from wengert.data._frames import from_frame
from wengert.data._hashes import fingerprint, row_hashes
from wengert.data._preprocessing import Described, Preprocessing, together
from wengert.data._scale import Standardiser
from wengert.data._sources import read_blocks, read_csv, read_table
from wengert.data._split import Split, split, split_by_group, split_by_time
from wengert.data._suspicions import suspicions
from wengert.data._table import Column, Numbers, Opaque, Table, Times, Words, numbers, require_columns, words
from wengert.data._target import Target, Task, class_indices, read_target, target_values

__all__ = [
    "read_table",
    "read_csv",
    "read_blocks",
    "from_frame",
    "Table",
    "Column",
    "Numbers",
    "Words",
    "Times",
    "Opaque",
    "require_columns",
    "numbers",
    "words",
    "Target",
    "Task",
    "read_target",
    "target_values",
    "class_indices",
    "Split",
    "split",
    "split_by_group",
    "split_by_time",
    "Preprocessing",
    "Described",
    "Surprise",
    "together",
    "Encoder",
    "ENCODERS",
    "MISSING_CODE",
    "UNSEEN_CODE",
    "Number",
    "Boolean",
    "Category",
    "Embedding",
    "Date",
    "Standardiser",
    "suspicions",
    "row_hashes",
    "fingerprint",
]
