"""Reports as people and programs get them: JSON that comes back as it was, Markdown, a page, lines for the terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation import page, plots, shown
from llm_compiler.evaluation.figures import Cell, Curve, Figure, FileRow, Kind, Report, Spread, Table
from llm_compiler.evaluation.plots import Bars, Style
from llm_compiler.evaluation.report import as_json, lines, load, markdown, write
from tests.conftest import ROOT

HOSTILE = "<script>alert(1)</script> | `x` *y* __init__ [a](http://evil.example) &amp; $\\frac{$ \N{SNOWMAN}"
GAIN = Figure(0.0477, 0.0412, 0.0538, "change")
SCORE = Figure(0.951, 0.948, 0.955, "score")
EXACT = Figure(1.0, 1.0, 1.0, "share")


def files(count: int, project: str = "zlib") -> tuple[FileRow, ...]:
    """File number n is n bytes smaller than with -Oz."""
    return tuple(FileRow(project, f"src/file_{n}.c", 1000, 1000 - n, "module(default<Oz>)") for n in range(count))


REPORT = Report(
    {
        "benchmark": {"name": "mibench", "version": "3f2a", "units": 2398, "overlap": None},
        "llvm": "17.0.6",
        "protocols": ["ship", "paper"],
        "systems": {HOSTILE: {"kind": "model", "grammar": True, "samples": {"emulation": 4}}},
        "counts": [{"why": "too long", "units": 3}, {"why": "timeout", "units": 1}],
        "seen": list(range(9000)),
    },
    {"flag_tuning.total_bytes": GAIN, "disassembly.bleu": SCORE},
    (
        Table(
            "flag_tuning",
            "Flag tuning",
            ("system", "lists", "total bytes", "worst"),
            ((HOSTILE, 100, GAIN, None), ("autotuner", 4877, Figure(0.071, 0.07, 0.072, "change"), None)),
            "What is over the context | counts as -Oz.",
        ),
        Table("flag_tuning.budget", "By budget", ("system", "1", "10"), ((HOSTILE, GAIN, None),)),
        Table("disassembly", "Disassembly", ("system", "exact", "BLEU"), ((HOSTILE, EXACT, SCORE),)),
        Table(
            "disassembly.target",
            "By target",
            ("system", "target", "questions", "lowers again", "BLEU"),
            ((HOSTILE, "x86-64", 90, EXACT, SCORE), (HOSTILE, "aarch64", 12, replace(GAIN, kind="share"), SCORE)),
        ),
    ),
    (Curve("flag_tuning.budget", "By budget", "lists", "saved", {HOSTILE: ((1.0, GAIN), (10.0, GAIN))}),),
    (Spread("flag_tuning.gains", "Gains", "saved", {HOSTILE: (0.0, 0.1, -0.05), "-Oz": (0.0,), "none": ()}),),
    {HOSTILE: (*files(30), FileRow(HOSTILE, HOSTILE, 0, 4, "")), "-Oz": (FileRow("zlib", "a.c", 5, 5, ""),)},
)


class Page(HTMLParser):
    """What a browser makes of a page: all tags, what it would load, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.targets: list[str] = []
        self.names: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "html"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.names.append(value or "")
            if name in ("href", "xlink:href"):
                self.targets.append(value or "")
            elif name in ("src", "srcset", "data", "poster", "action") or name.startswith("on"):
                self.loaded.append(value or "")
            elif name in ("style", "clip-path", "fill"):
                self.loaded += re.findall(r"url\(([^#][^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def shown(self) -> list[str]:
        """All texts but those that are but space."""
        return [text.strip() for text in self.texts if text.strip()]


def rows_of_markdown(report: Report) -> list[list[str]]:
    """Rows of all tables as they are shown; there is nothing in any text but text."""
    rows: list[list[str]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse("\n".join(markdown(report))):
        assert token.type not in ("html_block", "code_block", "fence")
        if token.type == "tr_open":
            rows.append([])
        inside = token.type in ("th_open", "td_open") or (inside and token.type == "inline")
        if token.type == "inline":
            children = token.children or []
            assert {each.type for each in children} <= {"text", "strong_open", "strong_close", "code_inline"}
            if inside:
                rows[-1].append("".join(each.content for each in children))
    return rows


# -- figures as text


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (GAIN, "4.77 % [4.1, 5.4]"),
        (SCORE, "0.951 [0.948, 0.955]"),
        (Figure(-0.003, -0.01, 0.02, "change"), "-0.30 % [-1.0, 2.0]"),
        (Figure(-0.00001, -0.01, 0.02, "change"), "0.00 % [-1.0, 2.0]"),
        (Figure(0.3624, 0.3619, 0.363, "share"), "36.24 % [36.19, 36.30]"),
        (EXACT, "100.00 %"),
        (Figure(1234567.0, 1200000.4, 1300000.0, "bytes"), "1,234,567 [1,200,000, 1,300,000]"),
        (Figure(3.25, 3.0, 1234.5, "count"), "3.25 [3, 1,234]"),
        (Figure(0.354, 0.3, 0.4, "seconds"), "0.35 s [0.30, 0.40]"),
    ],
)
def test_a_figure_reads_with_its_unit_and_its_interval(figure: Figure, text: str) -> None:
    assert shown.shown(figure) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "-"), (0, "0"), (1234567, "1,234,567"), ("-Oz", "-Oz"), ("a\nb\x1b[31m\udc80c", "a b [31m c")],
)
def test_a_cell_is_on_one_line_and_cannot_steer_a_terminal(cell: Cell, text: str) -> None:
    assert shown.shown(cell) == text


def test_facts_are_a_line_each_and_long_lists_are_counted() -> None:
    assert list(shown.facts(REPORT.about)) == [
        ("benchmark, name", "mibench"),
        ("benchmark, version", "3f2a"),
        ("benchmark, units", "2,398"),
        ("benchmark, overlap", "-"),
        ("llvm", "17.0.6"),
        ("protocols", "ship, paper"),
        (f"systems, {HOSTILE}", "kind: model, grammar: yes, samples, emulation: 4"),
        ("counts", "why: too long, units: 3; why: timeout, units: 1"),
        ("seen", "9,000, see report.json"),
    ]


# -- on disk


KINDS: tuple[Kind, ...] = ("share", "change", "score", "bytes", "count", "seconds")
numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=9)
figures = st.builds(Figure, numbers, numbers, numbers, st.sampled_from(KINDS))
cells = st.one_of(st.none(), names, st.integers(), figures)


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


def by_name(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, values, max_size=3)


told = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), numbers, names),
    lambda inner: st.one_of(st.lists(inner, max_size=3), by_name(inner)),
    max_leaves=5,
)
reports = st.builds(
    Report,
    by_name(told),
    by_name(figures),
    some(st.builds(Table, names, names, some(names), some(some(cells)), names)),
    some(st.builds(Curve, names, names, names, names, by_name(some(st.tuples(numbers, figures))))),
    some(st.builds(Spread, names, names, names, by_name(some(numbers)))),
    by_name(some(st.builds(FileRow, names, names, st.integers(), st.integers(), names))),
)


@given(reports)
def test_a_report_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, report: Report) -> None:
    path = tmp_path_factory.getbasetemp() / "report.json"
    path.write_text(as_json(report))
    assert load(path) == report


def test_three_files_appear_and_nothing_beside_them(tmp_path: Path) -> None:
    assert [path.name for path in write(REPORT, tmp_path)] == ["report.json", "report.md", "report.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = [path.read_bytes() for path in write(REPORT, tmp_path)]
    read_back = load(tmp_path / "report.json")
    assert [path.read_bytes() for path in write(read_back, tmp_path / "other")] == one


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(Report({}, {"a.b": Figure(float("nan"), 0.0, 1.0, "share")}, ()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"about": {}, "headline": {"a": 1}}'])
def test_what_is_no_report_is_named_in_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CorpusError, match=re.escape(str(path))) as error:
        load(path)
    assert "\n" not in str(error.value)


# -- the terminal


def test_the_terminal_has_the_main_tables_aligned() -> None:
    tables = (
        Table(
            "emulation", "Emulation", ("system", "asked", "exact"), (("nano", 12000, GAIN), ("-", 7, None)), "A note."
        ),
        Table("emulation.length", "By length", ("system",), (("nano",),)),
    )
    assert lines(Report({}, {}, tables)) == [
        "Emulation",
        "system   asked              exact",
        "nano    12,000  4.77 % [4.1, 5.4]",
        "-            7                  -",
        "A note.",
        "",
        shown.INTERVAL,
    ]
    assert lines(Report({}, {}, ())) == []


def test_a_table_that_is_too_wide_goes_on_below_with_its_first_column() -> None:
    table = Table("a", "A", ("system", "one", "two", "three"), (("nano", 1, 2, 3),))
    assert lines(Report({}, {}, (table,)), width=16)[1:-2] == [
        "system  one  two",
        "nano      1    2",
        "",
        "system  three",
        "nano        3",
    ]
    assert lines(Report({}, {}, (table,)), width=1)[1:3] == ["system  one", "nano      1"]


# -- Markdown


def test_markdown_shows_names_as_they_are_whatever_is_in_them() -> None:
    rows = rows_of_markdown(REPORT)
    assert [HOSTILE, "100", "4.77 % [4.1, 5.4]", "-"] in rows
    assert [HOSTILE, "100.00 %", "0.951 [0.948, 0.955]"] in rows
    assert [HOSTILE, "0", "4", "+4", "-"] in rows


def test_markdown_has_headline_tables_notes_and_facts() -> None:
    text = "\n".join(markdown(REPORT)).splitlines()
    assert text[0] == "# Evaluation: mibench"
    assert "- `flag_tuning.total_bytes`: 4.77 % [4.1, 5.4]" in text
    assert [line for line in text if line.startswith("## ")] == [
        *("## Headline", "## Flag tuning", "## Disassembly", "## Files", "## About")
    ]
    assert "What is over the context \\| counts as -Oz." in text
    assert "- benchmark, units: 2,398" in text


def test_a_project_is_its_files_after_its_total_largest_change_first() -> None:
    rows = (*files(2, "b"), *files(3, "a"), FileRow("a", "grown.c", 10, 15, ""))
    assert rows_of_markdown(Report({}, {}, (), files={"nano": rows})) == [
        ["file", "-Oz", "now", "change", "%"],
        ["a (4)", "3,010", "3,012", "+2", "+0.07 %"],
        ["grown.c", "10", "15", "+5", "+50.00 %"],
        ["src/file_2.c", "1,000", "998", "-2", "-0.20 %"],
        ["src/file_1.c", "1,000", "999", "-1", "-0.10 %"],
        ["src/file_0.c", "1,000", "1,000", "0", "0"],
        ["b (2)", "2,000", "1,999", "-1", "-0.05 %"],
        ["src/file_1.c", "1,000", "999", "-1", "-0.10 %"],
        ["src/file_0.c", "1,000", "1,000", "0", "0"],
        ["all (6)", "5,010", "5,011", "+1", "+0.02 %"],
    ]


def test_markdown_has_the_largest_changes_totals_of_all_and_says_so() -> None:
    report = Report({}, {}, (), files={"nano": (*files(60), *files(9, "tiny"))})
    _, total, *rows, everything = rows_of_markdown(report)
    assert total == ["zlib (60)", "60,000", "58,230", "-1,770", "-2.95 %"]
    assert [row[0] for row in rows] == [f"src/file_{n}.c" for n in range(59, 19, -1)]
    assert everything == ["all (69)", "69,000", "67,194", "-1,806", "-2.62 %"]
    assert "Those 40 with the largest change; 29 more are in report.html and report.json." in "\n".join(
        markdown(report)
    )


# -- the page


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    seen = Page(page.html(REPORT))
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image"} & {*seen.tags}
    assert seen.loaded == []
    assert {target[0] for target in seen.targets} == {"#"}
    assert {target[1:] for target in seen.targets} <= {*seen.names}
    style = page.html(REPORT).partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"@import|url\(", style)


def test_the_only_address_in_a_page_is_what_a_system_is_called() -> None:
    assert set(re.findall(r"\w+://[\w.]+", page.html(REPORT))) == {"http://evil.example"}


def test_a_page_shows_names_as_they_are_and_all_tables_with_their_notes() -> None:
    texts = Page(page.html(REPORT)).shown()
    assert texts.count(HOSTILE) == 5 + 1 + 3  # in rows of tables, as a file, in keys of plots
    for table in REPORT.tables:
        assert {table.title, *table.columns} <= {*texts}
    for text in ("4.77 %", "[4.1, 5.4]", "0.951", "4,877", "What is over the context | counts as -Oz.", "2,398"):
        assert text in texts
    assert f"{HOSTILE}: 30,000 to 29,569 bytes, -1.44 %" in texts
    assert "-Oz: 5 bytes, as with -Oz" in texts


def test_a_page_of_a_very_large_benchmark_has_the_largest_changes() -> None:
    rows = files(page.MOST_FILES + 3)
    texts = Page(page.html(Report({}, {}, (), files={"nano": rows}))).shown()
    assert f"src/file_{page.MOST_FILES + 2}.c" in texts
    assert {f"src/file_{n}.c" for n in range(3)}.isdisjoint(texts)
    assert "Those 5,000 with the largest change; 3 more are in report.json. Totals are of all." in texts


def test_every_tag_of_a_page_is_closed() -> None:
    seen = Page(page.html(REPORT))
    assert seen.open == []
    assert len(seen.names) == len({*seen.names})


def test_a_report_of_nothing_is_a_page() -> None:
    assert Page(page.html(Report({}, {}, ()))).shown()[0] == "Evaluation"


def test_without_matplotlib_the_page_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(as_json(REPORT))
    program = (
        "import sys\nsys.modules['matplotlib'] = None\nfrom pathlib import Path\n"
        "from llm_compiler.evaluation import report\n"
        "report.write(report.load(Path(sys.argv[1]) / 'report.json'), Path(sys.argv[1]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    seen = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.NO_PLOTS in seen.shown()
    assert "figure" not in seen.tags
    assert seen.tags.count("table") == Page(page.html(REPORT)).tags.count("table")


# -- plots


def test_curves_spreads_and_tables_in_groups_are_drawn_each_once() -> None:
    drawn = plots.plots_of(REPORT)
    assert [plot.name for plot in drawn] == ["flag_tuning.budget", "flag_tuning.gains", "disassembly.target"]
    assert Page(page.html(REPORT)).tags.count("figure") == 3
    assert page.NO_PLOTS not in page.html(REPORT)


BY_PASSES = {"nano": (EXACT, GAIN), "copy": (GAIN, None)}


@pytest.mark.parametrize(
    ("columns", "rows", "across", "up"),
    [
        (("system", "1", "2-5"), (("nano", EXACT, GAIN), ("copy", GAIN, None)), "", ""),
        (("passes", "asked", "nano", "copy"), (("1", 5, EXACT, GAIN), ("2-5", 7, GAIN, None)), "passes", ""),
        (
            ("system", "passes", "asked", "exact", "BLEU"),
            (("nano", "1", 5, EXACT, SCORE), ("nano", "2-5", 7, GAIN, SCORE), ("copy", "1", 5, GAIN, SCORE)),
            "passes",
            "exact",
        ),
    ],
)
def test_a_table_in_groups_is_bars_however_it_lies(
    columns: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...], across: str, up: str
) -> None:
    # What is a change and what is a share is no matter here, but all of it must be of one kind.
    same = tuple(tuple(replace(cell, kind="share") if cell in (EXACT, GAIN) else cell for cell in row) for row in rows)
    bars = plots.bars_of(Table("emulation.passes", "By passes", columns, same))
    values = {
        name: tuple(each and replace(each, kind="share") for each in figures) for name, figures in BY_PASSES.items()
    }
    assert bars == Bars("emulation.passes", "By passes", across, up, ("1", "2-5"), values)


@pytest.mark.parametrize(
    "table",
    [
        Table("emulation", "A main table", ("system", "exact"), (("nano", EXACT),)),
        Table("emulation.metrics", "Of several kinds", ("system", "exact", "BLEU"), (("nano", EXACT, SCORE),)),
        Table("emulation.reasons", "Without figures", ("system", "no answer"), (("nano", 3),)),
        Table("emulation.none", "Without rows", ("system", "exact"), ()),
    ],
)
def test_other_tables_are_not_drawn(table: Table) -> None:
    assert plots.bars_of(table) is None


def test_a_system_looks_the_same_in_all_plots_and_unlike_the_others() -> None:
    lines_of = {f"system {number}": ((1.0, GAIN),) for number in range(20)}
    curve = Curve("a.b", "A", "x", "y", lines_of)
    bars = Bars("a.c", "A", "x", "y", ("1",), {"system 19": (GAIN,), "system 0": (GAIN,)})
    styles = plots.styles_of([curve, bars])
    assert styles["system 19"] == Style(0)
    assert len({(style.hue, style.dashes) for style in styles.values()}) == 20
    assert len({style.hue for style in styles.values()}) == len(plots.COLOURS)


def svg(plot: plots.Plot) -> str:
    return plots.draw(plot, plots.styles_of([plot]))


@pytest.mark.parametrize(
    "plot",
    [
        Curve("a.b", "No lines", "x", "y", {}),
        Curve("a.b", "An empty line", "x", "y", {"nano": ()}),
        Curve("a.b", "From nothing on", "x", "y", {"nano": ((0.0, GAIN), (5.0, SCORE))}),
        Curve("a.b", "Lengths", "x", "y", {"nano": ((734.5, EXACT), (91234.0, EXACT))}),
        Spread("a.b", "No values", "x", {"nano": ()}),
        Spread("a.b", "The same all over", "x", {"nano": (0.0,) * 1000}),
        Spread("a.b", "One that is far off", "x", {"nano": (-90.0, *(n / 1000 for n in range(2000)))}),
        Bars("a.b", "No bars", "x", "y", (), {}),
        Bars("a.b", "The value is not in its interval", "x", "y", ("a",), {"nano": (Figure(1, 2, 3, "bytes"),)}),
        Bars("a.b", HOSTILE, HOSTILE, HOSTILE, (HOSTILE, "$\\frac{$"), {HOSTILE: (GAIN, None)}),
    ],
    ids=lambda plot: plot.title[:20],
)
def test_whatever_is_drawn_takes_the_colours_of_the_page_and_names_nothing_outside(plot: plots.Plot) -> None:
    made = svg(plot)
    seen = Page(made)
    assert seen.open == []
    assert seen.tags[0] == "svg"
    assert seen.loaded == []
    assert plots.INK not in made
    assert not any(colour in made for colour in plots.COLOURS)
    assert "currentColor" in made
    assert made == svg(plot)


def test_a_curve_has_the_places_and_per_cents_of_its_figures_on_its_axes() -> None:
    budgets = (1.0, 2.0, 5.0, 10.0, 30.0, 45.0, 100.0)
    texts = Page(svg(Curve("a.b", "A", "lists tried", "saved", {"nano": tuple((at, GAIN) for at in budgets)}))).shown()
    assert texts[:8] == ["1", "2", "5", "10", "30", "45", "100", "lists tried"]
    assert texts[-1] == "saved, %"
    lengths = Curve("a.b", "A", "characters", "exact", {"nano": ((734.5, SCORE), (91234.0, SCORE))})
    near = Curve("a.b", "A", "characters", "exact", {"nano": ((1100.5, SCORE), (1200.0, SCORE), (1900.0, SCORE))})
    assert Page(svg(near)).shown()[:3] == ["1,100.5", "1,900", "characters"]
    assert Page(svg(lengths)).shown()[:5] == ["1,000", "2,000", "5,000", "10,000", "20,000"]
    assert Page(svg(lengths)).shown()[-1] == "exact"


def test_a_spread_has_the_share_of_units_that_reach_a_value() -> None:
    value, share = plots.reached((0.1, 0.4, 0.0, 0.1))
    assert value.tolist() == [0.4, 0.4, 0.1, 0.1, 0.0]
    assert share.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    value, share = plots.reached([number / 100_000 for number in range(100_000)])
    assert len(value) < 500
    assert abs(value + share - 1).max() < 1e-4
