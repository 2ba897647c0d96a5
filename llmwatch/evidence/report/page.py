"""The report as one HTML page that asks for nothing: no script, no font, no picture from elsewhere.

Its policy forbids them too, so that not even a fault in the escaping could load or run anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from llmwatch.evidence.report.charts import Chart
from llmwatch.evidence.report.document import Cell, Document, Grid, Section, Tile

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def as_page(document: Document, charts: Sequence[Chart]) -> str:
    """All of it."""
    style = (files("llmwatch.evidence.report") / "page.css").read_text("utf-8")
    body = [
        "<header>",
        f"<h1>{_safe(document.title.text)}</h1>",
        f'<p class="lead">{_safe(document.lead.text)}</p>',
        "</header>",
        '<main><dl class="tiles">',
        *map(_tile, document.tiles),
        "</dl>",
        *_figures(charts),
        *(line for section in document.sections for line in _section(section)),
        "</main>",
        f"<footer><p>{_safe(document.imprint.text)}</p></footer>",
    ]
    head = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_safe(document.title.text)}: {_safe(document.lead.text)}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        "<body>",
    ]
    return "\n".join([*head, *body, "</body>", "</html>"]) + "\n"


def _tile(tile: Tile) -> str:
    return (
        f'<div class="tile {tile.mood}"><dt>{_safe(tile.label.text)}</dt><dd>{_safe(tile.value.text)}</dd>'
        f'<dd class="remark">{_safe(tile.remark.text)}</dd></div>'
    )


def _figures(charts: Sequence[Chart]) -> Iterator[str]:
    if not charts:
        return
    yield '<div class="charts">'
    for chart in charts:
        keys = "".join(
            f'<span class="key"><i class="{kind}"></i>{escape(what)}</span>' for kind, what in chart.keys
        )
        kind = ' class="wide"' if chart.wide else ""
        yield f"<figure{kind}>"
        yield f"<figcaption>{escape(chart.title)}{keys}</figcaption>"
        yield chart.svg
        yield "</figure>"
    yield "</div>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{section.name}">'
    yield f"<h2>{_safe(section.title.text)}</h2>"
    for sentence in section.sentences:
        yield f"<p>{_safe(sentence.text)}</p>"
    beside = [table for table in section.grids if not table.head]
    if beside:
        yield '<div class="beside">'
        for table in beside:
            yield from _grid(table)
        yield "</div>"
    for table in section.grids:
        if table.head:
            yield from _grid(table)
    yield "</section>"


def _grid(table: Grid) -> Iterator[str]:
    kind = "" if table.head else ' class="facts"'
    yield f'<div class="scroll"><table{kind}>'
    if table.caption is not None:
        yield f"<caption>{_safe(table.caption.text)}</caption>"
    if table.head:
        cells = "".join(
            f'<th scope="col"{_figure(place, table)}>{_safe(cell.text)}</th>'
            for place, cell in enumerate(table.head)
        )
        yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>"
    yield from (_row(row, table) for row in table.rows)
    yield "</tbody>"
    if table.foot:
        yield "<tfoot>"
        yield from (_row(row, table) for row in table.foot)
        yield "</tfoot>"
    yield "</table></div>"


def _row(row: Sequence[Cell], table: Grid) -> str:
    first, *rest = row
    cells = [f'<th scope="row">{_safe(first.text.text)}</th>']
    cells += [
        f"<td{_figure(place, table)}>{_safe(cell.text.text)}</td>" for place, cell in enumerate(rest, 1)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _figure(place: int, table: Grid) -> str:
    return ' class="n"' if place >= table.words else ""


def _safe(text: str) -> str:
    return escape(text, quote=True)
