"""One self-contained page with every result that is there, and the same tables as Markdown."""

import html
import inspect
import textwrap
from dataclasses import dataclass


@dataclass
class Table:
    """Our numbers beside the reference numbers: cells are texts."""

    title: str
    head: list
    rows: list
    note: str = ""

    def html(self):
        def row(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells) + "</tr>"

        note = f"<p class=note>{html.escape(self.note)}</p>" if self.note else ""
        body = "".join(row(r, "td") for r in self.rows)
        return (
            f"<div class=scroll><table><caption>{html.escape(self.title)}</caption>"
            f"<thead>{row(self.head, 'th')}</thead><tbody>{body}</tbody></table></div>{note}"
        )

    def markdown(self):
        def row(cells):
            return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"

        lines = [f"**{self.title}**", "", row(self.head), row(["---"] * len(self.head)), *map(row, self.rows)]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


def source(function):
    return textwrap.dedent(inspect.getsource(function)).rstrip()


def markdown(results, command):
    """The tables and outcomes of all results. results: (name, module, result) triples."""
    parts = [
        "# The chapter's experiments: our numbers beside the reference numbers",
        (
            f"Written by `{command}`. Each experiment's question, figures and code are on the page that "
            "`make figures` writes."
        ),
    ]
    for _, module, result in results:
        parts.append(f"## {module.TITLE}")
        parts.append(f"Section {module.SECTION}: `{result['command']}`")
        parts += [table.markdown() for table in module.tables(result["numbers"])]
        parts.append(
            "\n".join(f"- {'Yes' if ok else 'No'}: {text}" for text, ok in module.checks(result["numbers"]))
        )
    return "\n\n".join(parts) + "\n"


def section(name, module, result, svg):
    """One experiment. svg(figure, name, alt) makes an inline element."""
    numbers = result["numbers"]
    figures = "".join(
        "<figure><div class=scroll>"
        f"{f if isinstance(f, str) else svg(f, f'{name}-{i}', html.escape(caption))}</div>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for i, (caption, f) in enumerate(module.draw(numbers))
    )
    outcome = "".join(
        f"<li class={'yes' if ok else 'no'}><b>{'✓' if ok else '✗ not here:'}</b> {html.escape(text)}</li>"
        for text, ok in module.checks(numbers)
    )
    code = "\n\n\n".join(source(f) for f in module.CODE)
    return f"""<section id="{name}">
<h2><span>{module.SECTION}</span> {html.escape(module.TITLE)}</h2>
<p class=question>{html.escape(module.QUESTION)}</p>
<p><b>What to look for.</b> {html.escape(module.LOOK)}</p>
<div class=figures>{figures}</div>
<ul class=outcome>{outcome}</ul>
{"".join(table.html() for table in module.tables(numbers))}
<p class=command><code>{html.escape(result["command"])}</code> <span>{result["seconds"]:.0f} s</span></p>
<details><summary>The lines that matter</summary><pre><code>{html.escape(code)}</code></pre></details>
</section>"""


def page(sections, what):
    """sections: (name, module, html) triples. what: the data and the seed, in words."""
    links = "".join(
        f'<li><a href="#{name}"><span>{m.SECTION}</span> {html.escape(m.TITLE)}</a></li>'
        for name, m, _ in sections
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Training techniques: the experiments</title><style>{_STYLE}</style></head>
<body><header><h1>Training techniques</h1>
<p>The experiments of “Deep Learning from Scratch”, chapter 6, computed with tinygrad6.
{html.escape(what)}</p>
<nav><ol>{links}</ol></nav></header>
<main>{"".join(body for *_, body in sections)}</main>
<script>
// closed code is opened for printing, and closed again
const all = () => document.querySelectorAll("details:not([open])");
let opened = [];
addEventListener("beforeprint", () => {{ opened = [...all()]; opened.forEach(d => d.open = true); }});
addEventListener("afterprint", () => opened.forEach(d => d.open = false));
</script></body></html>
"""


_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 17px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
  color: #1b1b1b; background: #fff;
  margin: 0 auto; max-width: 60rem; padding: 1rem 1.1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 2rem; line-height: 1.2; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 span, nav span { color: #666; font-weight: 400; margin-right: .35em; }
nav ol { list-style: none; padding: 0; columns: 19rem; }
nav li { padding: .2rem 0; break-inside: avoid; }
a { color: #00528a; }
section { border-top: 2px solid #ddd; margin-top: 2.75rem; padding-top: 1.5rem; }
.question { font-size: 1.12rem; border-left: .3rem solid #0072b2; padding-left: .9rem; margin-left: 0; }
figure { margin: 1.5rem 0; }
figcaption { font-size: .92rem; color: #444; }
.scroll { overflow-x: auto; }
.scroll > svg { display: block; width: 100%; max-width: calc(var(--width) * 1.45); min-width: var(--least);
  height: auto; margin: 0 auto; }
.outcome { list-style: none; padding: .7rem 1rem; background: #f3f6f8; border-radius: .4rem; }
.outcome .no b { color: #a33b00; } .outcome .yes b { color: #00694c; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding: .6rem 0 .3rem; }
th, td { text-align: left; padding: .22rem .9rem .22rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th { border-bottom: 2px solid #999; font-weight: 600; }
.note { font-size: .9rem; color: #444; margin: .4rem 0 1rem; }
.command span { color: #666; font-size: .9rem; margin-left: .6rem; white-space: nowrap; }
code { font: .88em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.command code { background: #f0f0f0; padding: .2rem .45rem; border-radius: .25rem; }
pre { background: #f6f6f6; padding: .9rem 1rem; overflow-x: auto; border-radius: .4rem;
  overflow-wrap: normal; }
summary { cursor: pointer; font-weight: 600; }
.player { max-width: 46rem; margin: 0 auto; }
.player > svg { width: 100%; height: auto; font-size: 15px; }
.player polyline { fill: none; stroke-width: 2.5; }
.player .level ellipse { fill: none; stroke: #ccc; stroke-width: 1.2; }
.player .frame { fill: none; stroke: #888; }
.player .goal { stroke: #444; stroke-width: 3; }
.controls, .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; align-items: center; }
.controls input { flex: 1 1 9rem; } .controls output { min-width: 4.5rem; }
.controls button { font: inherit; padding: .3rem 1rem; min-width: 5.5rem; }
.legend label { display: inline-flex; align-items: center; gap: .35rem; padding: .25rem 0; }
@media print {
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  section { border: 0; margin: 0; padding: 0; } section + section { break-before: page; }
  figure, table, .outcome { break-inside: avoid; }
  .scroll { overflow: visible; } .scroll > svg { min-width: 0; max-height: 22cm; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .controls, nav { display: none; } .outcome { border: 1px solid #999; }
}
"""
