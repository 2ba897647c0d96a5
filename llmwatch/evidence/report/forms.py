"""The forms a report can have."""

from __future__ import annotations

from collections.abc import Mapping

from llmwatch.evidence.report.facts import Report

ENDINGS: Mapping[str, str] = {"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html"}
"""Form → how the name of its file ends."""

FORMS = tuple(ENDINGS)


def write_report(report: Report, form: str) -> str:
    """The report in one of `FORMS`; the same report is always the same text."""
    if form == "json":
        from llmwatch.evidence.report.json_form import as_json

        return as_json(report)
    from llmwatch.evidence.report.words import in_words

    document = in_words(report)
    if form == "html":
        from llmwatch.evidence.report.charts import charts
        from llmwatch.evidence.report.page import as_page

        return as_page(document, charts(report))
    if form == "markdown":
        from llmwatch.evidence.report.markdown import as_markdown

        return as_markdown(document)
    if form == "text":
        from llmwatch.evidence.report.text import as_text

        return as_text(document)
    raise ValueError(f"no form {form!r}: one of {', '.join(FORMS)}")
