"""Checks the site that `mkdocs build` made: pages ask no other host for anything, and links inside lead to a page.

python .ci/check_site.py site
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Tags whose address a browser fetches by itself -> the attribute that holds it.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "video": "src",
    "source": "src",
    "audio": "src",
    "link": "href",
}
ONLY_NAMED = {"canonical", "next", "prev", "alternate"}  # links in the head that nothing is fetched by


class Page(HTMLParser):
    """What a page names: addresses that are fetched, links, and its own anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for each tag."""
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        address = values.get(FETCHED.get(tag, ""), "")
        if address and not (tag == "link" and ONLY_NAMED & set(values.get("rel", "").split())):
            self.fetched.add(address)
        if tag == "a" and "href" in values:
            self.links.add(values["href"])


def problems(site: Path) -> list[str]:
    """What is wrong, a line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: no pages"]
    for path, page in pages.items():
        found += [f"{path}: asks another host: {each}" for each in page.fetched if urlsplit(each).netloc]
        if path.name == "404.html":
            continue  # its links begin at the root of a host
        for link in page.links | page.fetched:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            known = pages.get(target)
            if not target.exists():
                found.append(f"{path}: leads nowhere: {link}")
            elif parts.fragment and known and unquote(parts.fragment) not in known.anchors:
                found.append(f"{path}: no such place on the page: {link}")
    return found


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]).resolve())
    print("\n".join(lines) or "no page asks another host, and no link inside leads nowhere")
    raise SystemExit(bool(lines))
