"""The page of dreamnet is the model card that lies beside the network, with links as they are from here."""

from pathlib import Path
from typing import Any

CARD = Path(__file__).resolve().parents[1] / "dreamvideo" / "models" / "dreamnet" / "README.md"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for each page."""
    if page.file.src_uri != "dreamnet.md":
        return markdown
    return CARD.read_text(encoding="utf-8").replace("../../../docs/", "")
