import pytest

from wengert import data


@pytest.fixture
def table(tmp_path):
    """Write text or bytes to a file and read it as a table."""

    def read(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return data.read_csv(path, source=name)

    return read
