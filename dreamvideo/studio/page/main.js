// The page of the studio: its parts, the theme, and what happens in the studio.
import { $, get, listen, saying, setRoot } from "./api.js";
import { showFolder, startFiles } from "./files.js";
import { showLive, startLive } from "./live.js";
import { onPicture, openFilms, startLook } from "./look.js";
import { startPlayer } from "./player.js";
import { showJobs, startQueue } from "./queue.js";

const PARTS = ["files", "look", "live", "queue"];

function showPart(first = false) {
  const part = PARTS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "files";
  for (const each of PARTS) $(each).hidden = each !== part;
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === `#${part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${part[0].toUpperCase()}${part.slice(1)} - dreamvideo studio`;
  if (!first) scrollTo(0, 0);
  if (part === "files") showFolder();
  if (part === "live") showLive();
  if (part === "look") dispatchEvent(new Event("resize")); // the stage has a size only now
}

function startTheme() {
  const stored = localStorage.getItem("theme");
  if (stored) document.documentElement.dataset.theme = stored;
  $("theme").onclick = () => {
    const isLight = getComputedStyle(document.documentElement).colorScheme === "light";
    localStorage.setItem("theme", document.documentElement.dataset.theme = isLight ? "dark" : "light");
  };
}

saying(async () => {
  startTheme();
  startFiles(openFilms);
  startQueue();
  startPlayer();
  startLive();
  const start = await get("start");
  setRoot(start.root);
  startLook(start);
  addEventListener("hashchange", () => showPart());
  showPart(true);
  await listen(onPicture, showJobs);
})();
