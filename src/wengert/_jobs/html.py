"""A report in one HTML file: what the model is, how good it is, and the pictures, with nothing fetched."""

from collections.abc import Mapping, Sequence
from html import escape

from wengert.models import Model
from wengert.nn._summary import summary_rows

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}svg{max-width:100%;height:auto}"
    "th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    ".number{text-align:right;font-variant-numeric:tabular-nums}"
)

Rows = Sequence[Sequence[str]]


def page(model: Model, source: str, about: str, tables: Mapping[str, Rows], picture: bytes) -> bytes:
    """The report of an evaluation: tables whose first rows are their heads."""
    drawing = picture[picture.index(b"<svg") :].decode()
    title = escape(f"{', '.join(model.targets)} in {source}")
    columns = [(d.column, d.treatment, str(len(d.features))) for d in model.preprocessing.describe()]
    *layers, (total,) = summary_rows(model.network)
    all_tables = {
        **tables,
        "Columns": [("column", "becomes", "features"), *columns],
        "Network": layers,
    }
    body = "".join(f"<h2>{escape(name)}</h2>{table(rows)}" for name, rows in all_tables.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(about)}</p>{drawing}{body}<p>{escape(total)}</p></body></html>\n"
    ).encode()


def table(rows: Rows) -> str:
    """A table; columns of numbers are aligned by their last digits."""
    head, *body = rows
    places = range(max(map(len, rows)))
    columns = [[row[i] for row in body if i < len(row)] for i in places]
    numeric = [bool(column) and all(map(_is_number, column)) for column in columns]

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = (' class="number"' if number else "" for number in numeric)
        filled = [*cells, *[""] * (len(numeric) - len(cells))]
        return "".join(f"<{tag}{kind}>{escape(c)}</{tag}>" for c, kind in zip(filled, kinds, strict=True))

    lines = "".join(f"<tr>{line(row, 'td')}</tr>" for row in body)
    return f"<table><thead><tr>{line(head, 'th')}</tr></thead><tbody>{lines}</tbody></table>"


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").removeprefix("-").isdecimal()
