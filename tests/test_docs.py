"""Pages that are made by programs are as the programs make them."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_operations_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    import operations

    page = operations.TARGET.read_text(encoding="utf-8")
    assert page == operations.table(), "run python docs/operations.py"
