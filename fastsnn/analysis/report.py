# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file that needs no other, with the same pictures as PNG beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fastsnn.analysis.views import View
from fastsnn.files import replacing

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fafafa;
         max-width: 980px; margin: 3rem auto; padding: 0 1.2rem; }}
  h1 {{ font-size: 1.7rem; margin-bottom: .2rem; }}
  h1 + p {{ color: #666; margin-top: 0; }}
  dl {{ display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.6rem 0 2.4rem; }}
  dl div {{ background: #fff; border: 1px solid #e4e4e4; border-radius: 8px; padding: .6rem 1rem; }}
  dt {{ color: #666; font-size: .82rem; }}
  dd {{ margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }}
  figure {{ margin: 0 0 2rem; background: #fff; border: 1px solid #e4e4e4; border-radius: 8px;
           padding: 1rem; }}
  img {{ display: block; max-width: 100%; margin: 0 auto; }}
  figcaption {{ color: #555; font-size: .92rem; margin-top: .7rem; }}
  table {{ border-collapse: collapse; font-size: .9rem; }}
  td {{ padding: .15rem 1.2rem .15rem 0; font-variant-numeric: tabular-nums; }}
  summary {{ cursor: pointer; margin-bottom: .6rem; }}
  pre {{ overflow-x: auto; font-size: .82rem; line-height: 1.3; }}
</style>
</head>
<body>
<h1>{headline}</h1>
<p>{subtitle}</p>
{parts}
</body>
</html>
"""


class Report:
    """Collects numbers, pictures and tables; `write` makes the page.

    All text is escaped: what looks like HTML is shown as it is.

    title: of the browser's tab; default: the headline.
    """

    def __init__(self, headline: str, subtitle: str = "", title: str | None = None) -> None:
        self.headline, self.subtitle, self.title = headline, subtitle, title or headline
        self._parts: list[str] = []
        self._pictures: dict[str, bytes] = {}

    def numbers(self, facts: Mapping[str, Any]) -> Report:
        """Add numbers that catch the eye: what it is -> its value, as text."""
        items = (f"<div><dt>{_safe(k)}</dt><dd>{_safe(v)}</dd></div>" for k, v in facts.items())
        self._parts.append(f"<dl>{''.join(items)}</dl>")
        return self

    def picture(self, name: str, drawn: Figure | View, caption: str = "") -> Report:
        """Add a picture; `name` is that of its PNG, without the ending."""
        if name in self._pictures or Path(name).name != name:
            raise ValueError(f"picture {name!r}: expected a file name that is not taken yet")
        figure = drawn.figure if isinstance(drawn, View) else drawn
        file = io.BytesIO()
        figure.savefig(file, format="png")
        self._pictures[name] = file.getvalue()
        data = base64.b64encode(file.getvalue()).decode()
        self._parts.append(
            f'<figure><img alt="{_safe(name)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{_safe(caption)}</figcaption></figure>"
        )
        return self

    def table(self, heading: str, rows: Mapping[str, Any]) -> Report:
        """Add a table that opens on a click: name -> value."""
        lines = (
            f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>"
            for name, value in rows.items()
        )
        self._parts.append(
            f"<details><summary>{_safe(heading)}</summary><table>{''.join(lines)}</table></details>"
        )
        return self

    def text(self, heading: str, text: str) -> Report:
        """Add preformatted text that opens on a click, e.g. `str(net)`."""
        self._parts.append(
            f"<details><summary>{_safe(heading)}</summary><pre>{_safe(text)}</pre></details>"
        )
        return self

    def page(self) -> str:
        """The page as HTML."""
        return _PAGE.format(
            title=_safe(self.title),
            headline=_safe(self.headline),
            subtitle=_safe(self.subtitle),
            parts="\n".join(self._parts),
        )

    def write(self, folder: str | Path) -> Path:
        """Write index.html and the PNGs into folder; returns the path of the HTML."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, png in self._pictures.items():
            _write(folder / f"{name}.png", png)
        _write(folder / "index.html", self.page().encode())
        return folder / "index.html"


def _safe(value: Any) -> str:
    return html.escape(str(value))


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)
