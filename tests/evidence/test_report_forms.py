"""The forms of a report: they say the same, and no name from a log can be more than text in any of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmwatch.audit.entry import Secret
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.verify import verify
from llmwatch.clean import clean
from llmwatch.evidence.report import ENDINGS, FORMS, Report, write_report
from llmwatch.evidence.report.facts import NO_CHAIN, UNCHECKED
from tests.audit.sealed import SECRET, SIGNER
from tests.cli.running import SAMPLE
from tests.cli.traffic import START, line
from tests.evidence.packages import sealed_log
from tests.evidence.reports import UNATTESTED, as_document, calls, entry, failed, report_of, verification

# As many as a table lists.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</table></style></svg><b>",
    "| a | b |",
    "a\\|b",
    "line\nbreak\r\n| x |",
    "`tick` ``two`` ```",
    "**bold** _it_ ~~no~~",
    "[link](http://evil.example/) ![i](x)",
    "http://evil.example/ www.evil.example",
    "@everyone #1 &amp; &lt;b&gt;",
    "# heading",
    "- item",
    "\x1b[31mred\x07",
    "\u202eabc",
    "x" * 1000,
    "\\",
    "a  two  spaces ",
    "--><!--",
    "é漢字🙂",
)
VOID = {"meta", "br"}


@pytest.fixture(scope="module")
def hostile() -> Report:
    """Names that are not what they seem, wherever a name can be."""
    lines = calls(*({"user": name, "model": name} for name in HOSTILE))
    for number, name in enumerate(HOSTILE):
        lines += failed(f"f-{number}", name, user=name, model=name)
        lines.append(line(START, "API key created", f"k-{number}", user_sub=name))
    return report_of(lines, chain=verification(file=HOSTILE[0]))


@pytest.fixture(scope="module")
def page(hostile: Report) -> Page:
    return read_page(write_report(hostile, "html"))


@pytest.fixture(scope="module")
def sample() -> Report:
    return report_of(SAMPLE.read_bytes().splitlines())


class Page(HTMLParser):
    """A page as a browser takes it: its elements, what is open, and the cells of its tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes another element"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def read_page(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_a_page_holds_every_hostile_name_as_text(page: Page) -> None:
    for name in HOSTILE:
        shown = clean(name).text
        assert sum(cell == shown for cell in page.cells) >= 3, shown


def test_a_page_has_only_the_elements_of_a_report(page: Page) -> None:
    names = {tag for tag, _ in page.elements}
    assert names <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section"),
        *("h1", "h2", "p", "dl", "dt", "dd", "div", "figure", "figcaption", "span", "i"),
        *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
        *("svg", "desc", "g", "rect", "line", "text"),
    }
    attributes = {attribute for _, attributes in page.elements for attribute in attributes}
    assert attributes <= {
        *("lang", "charset", "http-equiv", "content", "name", "class", "id", "scope"),
        *("viewbox", "role", "aria-labelledby", "x", "y", "x1", "x2", "y1", "y2", "rx", "width", "height"),
        "text-anchor",
    }


def test_a_page_asks_for_nothing_and_forbids_it_too(hostile: Report, page: Page) -> None:
    text = write_report(hostile, "html")
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import|expression", style)
    policy = next(found for _, found in page.elements if found.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_a_page_can_be_read_without_seeing_it(sample: Report) -> None:
    page = read_page(write_report(sample, "html"))
    identifiers = [found["id"] for _, found in page.elements if "id" in found]
    assert len(set(identifiers)) == len(identifiers)
    charts = [found for tag, found in page.elements if tag == "svg"]
    assert len(charts) == 3
    for chart in charts:
        assert chart["role"] == "img"
        assert set(str(chart["aria-labelledby"]).split()) <= set(identifiers)
    assert {found["scope"] for tag, found in page.elements if tag == "th"} == {"row", "col"}
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert dict(page.elements)["html"] == {"lang": "en"}


def test_charts_draw_what_there_is() -> None:
    """A bar for each day with calls, in proportion; a day of unknown cost has a question mark."""
    lines = [entry(n, timestamp=f"2026-02-0{day}T10:00:00Z") for n, day in enumerate([1, 1, 1, 1, 3, 3])]
    lines += [entry(9, timestamp="2026-02-05T10:00:00Z", model="some-lab/unlisted")]
    text = write_report(report_of(lines), "html")
    calls_chart, cost_chart = re.findall(r"<svg.*?</svg>", text, re.DOTALL)[:2]
    heights = [float(high) for high in re.findall(r'class="bar-ok".*?height="([\d.]+)"', calls_chart)]
    assert len(heights) == 3
    assert heights[0] == pytest.approx(4 * heights[2], abs=0.3)
    assert heights[1] == pytest.approx(2 * heights[2], abs=0.3)
    assert cost_chart.count(">?<") == 1
    assert len(re.findall('class="bar-cost"', cost_chart)) == 2


def test_no_cost_is_no_chart_of_it() -> None:
    text = write_report(report_of([entry(1, model="some-lab/unlisted")]), "html")
    assert "Cost per" not in text
    assert "Calls by model" in text
    assert "<svg" not in write_report(report_of([]), "html")


def test_markdown_holds_every_hostile_name_as_text(hostile: Report) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(write_report(hostile, "markdown"))
    kinds = {token.type for token in all_tokens(tokens)}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "strong_open", "fence", "hr"}
    cells = cells_of(tokens)
    for name in HOSTILE:
        shown = clean(name).text.strip()
        assert sum(cell.strip() == shown for cell in cells) >= 3, shown


def test_markdown_has_its_tables_whole(hostile: Report) -> None:
    """A name that ends a cell or a row would leave rows of another width, or text outside a table."""
    text = write_report(hostile, "markdown")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    written = len(re.findall(r"^\|(?: -+:? \|)+$", text, re.MULTILINE))
    assert sum(token.type == "table_open" for token in tokens) == written > 10
    rows = sum(line.startswith("|") for line in text.splitlines())
    assert sum(token.type == "tr_open" for token in tokens) + written == rows
    document = as_document(hostile)
    assert len(document["by_user"]) == len(HOSTILE)


def test_markdown_names_nothing_outside_a_code_span_that_would_notify_or_link(hostile: Report) -> None:
    for written in write_report(hostile, "markdown").splitlines():
        outside = re.sub(r"`[^`]*`", "", written)
        assert not re.search(r"(?<!\\)@\w|https?://|www\.", outside), written


def test_text_has_one_line_a_row_and_nothing_that_a_terminal_obeys(hostile: Report) -> None:
    text = write_report(hostile, "text")
    assert all(char.isprintable() or char == "\n" for char in text)
    plain = write_report(report_of(calls({})), "text")
    assert plain.isascii()
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    users = text[text.index("BY USER") : text.index("BY DAY")].splitlines()
    assert len([one for one in users if one.startswith("  ")]) == 1 + len(HOSTILE) + 1
    assert max(map(len, users)) < 200


def test_json_is_exact(hostile: Report) -> None:
    document = as_document(hostile)
    assert {row["user"] for row in document["by_user"]} == {name.strip() for name in HOSTILE}
    assert write_report(hostile, "json").isascii()


def test_long_tables_are_summed_up_and_json_has_all() -> None:
    report = report_of(
        calls(*({"user": f"u-{n}", "prompt": 1000 * (40 - n), "completion": 0} for n in range(40)))
    )
    text = write_report(report, "text")
    listed = re.findall(r"^  (u-\d+) ", text, re.MULTILINE)
    assert listed == [f"u-{n}" for n in range(20)]
    (rest,) = re.findall(r"^  20 more users +(\d+) .*?([\d.]+k)", text, re.MULTILINE)
    assert rest == ("20", "210k")
    assert len(as_document(report)["by_user"]) == 40


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
@pytest.mark.parametrize("verdict", ["ok", "warn", "tampered", "unverifiable"])
def test_the_verdict_is_there_and_what_is_not_attested_always(
    sample: Report, form: str, verdict: str
) -> None:
    text = write_report(replace(sample, chain=verification(verdict)), form)
    assert verdict in text
    assert UNATTESTED in text
    assert NO_CHAIN not in text
    assert ("line 17" in text) == (verdict == "tampered")


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_verdict_is_among_the_first_lines(sample: Report, hostile: Report, form: str) -> None:
    def beginning(report: Report) -> str:
        return " ".join(write_report(report, form).replace("`", "").splitlines()[:6])

    for verdict in ("ok", "warn", "tampered", "unverifiable"):
        assert f"Log integrity: {verdict.upper()}:" in beginning(replace(sample, chain=verification(verdict)))
    broken = beginning(replace(sample, chain=verification()))
    assert "first break: audit_2026-02-27.jsonl line 17 was edited" in broken
    for name in HOSTILE:
        report = replace(sample, chain=verification(file=name))
        (line,) = (one for one in write_report(report, form).splitlines() if "Log integrity:" in one)
        assert line.isprintable()
        if form == "markdown":
            kinds = {one.type for one in all_tokens(MarkdownIt("commonmark").parse(line))}
            assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert "no chain was checked (no audit log" in beginning(sample)
    assert "no chain was checked (audit entries were read" in beginning(replace(sample, audit_entries=1))


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_what_no_key_could_tell_is_unknown_and_not_0(sample: Report, tmp_path: Path, form: str) -> None:
    def figures(**keys: Any) -> list[str]:
        found = verify(find_logs([folder]), **{"ring": KeyRing(), **keys})
        text = write_report(replace(sample, chain=found), form)
        text = re.sub(r"<[^>]+>|[|]", " ", text)
        names = ("a signature that is right", "a signed checkpoint or digest", "after the last of those")
        return [re.findall(rf"lines.*{name}\s+([\d,]+|unknown)", text)[0] for name in names]

    folder = sealed_log(tmp_path / "log")
    secrets, strange = KeyRing((SECRET,)), KeyRing((Secret(b"another secret, of nobody"),))
    assert figures() == ["unknown"] * 3
    assert figures(ring=secrets) == ["13", "unknown", "unknown"]
    assert figures(ring=strange) == ["0", "unknown", "unknown"]
    assert figures(public=SIGNER.verifier) == ["unknown", "13", "0"]
    assert figures(ring=secrets, public=SIGNER.verifier) == ["13", "13", "0"]


def test_a_file_with_an_error_that_is_at_no_line_is_not_ok(sample: Report) -> None:
    chain = verification("ok")
    name = chain.coverage.files[0].name
    found = (Finding("digest_mismatch", name), Finding("deleted", name, 3, 5))
    text = write_report(replace(sample, chain=replace(chain, verdict="tampered", findings=found)), "text")
    assert re.search(rf"{name} +fresh +not ok", text)
    several = replace(chain, verdict="tampered", findings=found, first_bad=found[1])
    assert "lines 3 to 5 follow lines that were deleted" in write_report(
        replace(sample, chain=several), "text"
    )


def test_json_has_the_verdict_as_verify_has_it() -> None:
    chain = as_document(report_of([], chain=verification()))["chain"]
    assert chain["verdict"] == "tampered"
    assert chain["first_bad"] == {"file": "audit_2026-02-27.jsonl", "line": 17, "class": "edited"}
    assert chain["counts"] == {"edited": 1, "deleted": 3, "restart": 1}
    assert [chain["coverage"][name] for name in ("lines", "hmac_ok", "attested", "unattested_tail")] == [
        60,
        59,
        57,
        3,
    ]
    assert chain["coverage"]["files"]["audit_2026-02-27.jsonl"]["convention"] == "fresh"
    assert [one["class"] for one in chain["findings"]] == ["edited", "restart", "deleted"]


@pytest.mark.parametrize("form", FORMS)
def test_without_an_audit_log_every_form_says_that_no_chain_was_checked(sample: Report, form: str) -> None:
    text = " ".join(write_report(sample, form).split())
    assert NO_CHAIN in text
    assert "No chain was checked (no audit log among the sources)" in text


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_people_read_the_same_figures_as_programs(sample: Report, form: str) -> None:
    text = write_report(sample, form)
    totals = as_document(sample)["totals"]
    for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"):
        assert f"{totals[name]:,}" in text
    assert f"${totals['cost_usd']:,.2f}" in text
    for row in as_document(sample)["by_model"]:
        assert row["model"] in text


@pytest.mark.parametrize("form", FORMS)
def test_entries_whose_chain_nobody_checked_are_not_said_to_be_missing(sample: Report, form: str) -> None:
    assert (sample.audit_entries, report_of([entry(1)]).audit_entries) == (0, 1)
    text = " ".join(write_report(replace(sample, audit_entries=1), form).split())
    assert UNCHECKED in text
    assert NO_CHAIN not in text


def test_every_form_has_an_ending_and_another_is_refused(sample: Report) -> None:
    assert list(ENDINGS) == list(FORMS)
    with pytest.raises(ValueError, match="no form 'pdf'"):
        write_report(sample, "pdf")


def all_tokens(tokens: Sequence[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *all_tokens(token.children or []))]


def cells_of(tokens: Sequence[Token]) -> list[str]:
    """What a reader sees in the cells of a document."""
    cells = []
    for before, token in pairwise(tokens):
        if before.type in ("td_open", "th_open"):
            cells.append("".join(child.content for child in token.children or []))
    return cells
