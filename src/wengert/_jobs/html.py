"""A report in one HTML file: what the model is, how good it is, and the pictures, with nothing fetched."""

from html import escape

from wengert import nn
from wengert.models import Model

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "pre{overflow-x:auto;background:#f6f6f6;padding:1rem}svg{max-width:100%;height:auto}"
)


def page(model: Model, source: str, scores: str, picture: bytes) -> bytes:
    """The report of an evaluation."""
    drawing = picture[picture.index(b"<svg") :].decode()
    title = escape(f"{', '.join(model.targets)} in {source}")
    columns = "\n".join(map(str, model.preprocessing.describe()))
    parts = {"Scores": scores, "Columns": columns, "Network": nn.summary(model.network)}
    text = "".join(f"<h2>{name}</h2><pre>{escape(part)}</pre>" for name, part in parts.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{title}</h1>{drawing}{text}</body></html>\n"
    ).encode()
