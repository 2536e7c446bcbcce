"""What MkDocs does with pages beside its own.

The page of dreamnet is the model card that lies beside the network, with links as they are from here. Options are
marked, so that site.css can keep a line from ending between their hyphens and their name.
"""

import re
from pathlib import Path
from typing import Any

CODE = re.compile(r"<code>.*?</code>", re.S)
OPTION = re.compile(r"(?<![\w\"-])--?[a-z][\w-]*")

CARD = Path(__file__).resolve().parents[1] / "dreamvideo" / "models" / "dreamnet" / "README.md"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for each page."""
    if page.file.src_uri != "dreamnet.md":
        return markdown
    return CARD.read_text(encoding="utf-8").replace("../../../docs/", "")


def on_page_content(html: str, **_: Any) -> str:
    """Called by MkDocs for each page when it is HTML."""
    return CODE.sub(lambda code: OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)
