"""Files of arrays with a description, sealed: any change to either is noticed on reading.

The format is `safetensors`: the arrays, and in its metadata, under the key ``wengert``, the description in
JSON with the SHA-256 of both. Nothing in such a file is executed on reading; equal content gives equal bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray

# Types of arrays that are read, as the format calls them.
DTYPES = ("F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL")


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes
    ----------
    noun
        What it is called; in a file the format is ``wengert`` and this.
    version
        The newest version that is read.
    made_by
        What writes such files, as the user knows it.
    remedy
        What to do about a damaged one.
    error
        What is raised.
    """

    noun: str
    version: int
    made_by: str
    remedy: str
    error: type[Exception]

    @property
    def format(self) -> str:
        """How the file itself says what it is."""
        return f"wengert {self.noun}"

    def damaged(self, what: str) -> Exception:
        """The error for a file whose content is not what was written."""
        return self.error(f"damaged {self.noun} file ({what}); {self.remedy}")


def to_bytes(kind: Kind, arrays: Mapping[str, Array], description: Mapping[str, Any]) -> bytes:
    """The content of a file."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    described = {"format": kind.format, "version": kind.version, **description}
    sealed = described | {"sha256": _digest(arrays, described)}
    return save(arrays, {"wengert": json.dumps(sealed, sort_keys=True, ensure_ascii=False)})


def read(kind: Kind, path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind.error(f"{path}: cannot read the {kind.noun} ({error.strerror}); check the path") from error


def description_of(kind: Kind, content: bytes, source: str) -> dict[str, Any]:
    """The description in a file, refused unless it is one that this version reads."""
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") > len(content) - 8:
        raise kind.error(f"{source}: the {kind.noun} file is cut short; {kind.remedy}")
    description = _metadata(kind, content)
    if description is None:
        raise kind.error(f"{source}: not a wengert {kind.noun}; name a file that {kind.made_by} wrote")
    version = description.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= kind.version:
        raise kind.error(
            f"{source}: written in format {version} by a newer wengert, and this one reads up to "
            f"{kind.version}; upgrade wengert"
        )
    return description


def arrays_of(kind: Kind, content: bytes, description: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays in a file, checked against the seal."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    _check_header(kind, content)
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise kind.damaged(str(error)) from error
    if _digest(arrays, description) != description.get("sha256"):
        raise kind.damaged("its content was changed")
    return arrays


def _digest(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> str:
    """The SHA-256 of the arrays and of the description, by which any change is noticed."""
    unsealed = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return digest.hexdigest()


def _check_header(kind: Kind, content: bytes) -> None:
    """Names occur once, and arrays are of types that NumPy has: the library does not look at that."""
    text = content[8 : 8 + int.from_bytes(content[:8], "little")]
    arrays = {name: entry for name, entry in json.loads(text).items() if name != "__metadata__"}
    for name, entry in arrays.items():
        if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
            raise kind.damaged(f"array {name!r} is of an unknown type")
    names = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    if len(names) > len(arrays) + 1:
        raise kind.damaged("two arrays have one name")


def _metadata(kind: Kind, content: bytes) -> dict[str, Any] | None:
    """The description in the header, if there is one."""
    size = int.from_bytes(content[:8], "little")
    try:
        description = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["wengert"])
        return description if description["format"] == kind.format else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
