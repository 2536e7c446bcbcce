// Looks as pictures of the frame: presets, things to dream of, layers.
import { $, client, h, post, saying } from "./api.js";
import { namesOf } from "./knobs.js";

const MOST_FOUND = 24; // classes that a search shows
let presets = [];
let state = { tab: "presets", path: null, time: null };
let choose = () => {};
let effective = {}; // values of the look that is chosen
let look = { preset: null, values: {} };
let request = 0;
let tiles = new Map(); // id -> { button, picture }
const pictures = new Map(); // id -> address of the last picture, of any frame

export function startGallery(start, onChoose) {
  [presets, choose] = [start.presets, onChoose];
  for (const button of document.querySelectorAll("[data-tab]")) button.onclick = () => showTab(button.dataset.tab);
  $("search").oninput = () => fill();
}

export function showTab(tab) {
  state.tab = tab;
  for (const button of document.querySelectorAll("[data-tab]")) button.setAttribute("aria-pressed", String(button.dataset.tab === tab));
  $("search-label").hidden = tab !== "classes";
  fill();
  const chosen = document.querySelector("#gallery [aria-pressed=true]");
  const box = $("gallery").parentElement;
  box.scrollTop = chosen ? chosen.getBoundingClientRect().top - $("gallery").getBoundingClientRect().top - 4 : 0;
}

export function showFrame(path, time, aspect) {
  if (path !== state.path) pictures.clear();
  Object.assign(state, { path, time });
  $("gallery").style.setProperty("--aspect", aspect);
  for (const tile of tiles.values()) { tile.button.classList.add("stale"); tile.level = -1; }
  fill();
}

export function showChosen(chosen, values) {
  const modelChanged = values.model !== effective.model;
  [look, effective] = [chosen, values];
  if (modelChanged && state.tab !== "presets") fill();
  mark();
}

export const namesCame = () => { if (state.tab !== "presets") fill(); };

function entries() {
  if (state.tab === "presets") {
    return [{ id: "default", name: "default", what: "as the network dreams by itself", look: { preset: null, values: {} } },
      ...presets.map((preset) => ({ id: `preset ${preset.name}`, name: preset.name, what: preset.summary, look: { preset: preset.name, values: {} } }))];
  }
  const known = namesOf(effective.model);
  if (!known) return [];
  const model = { model: effective.model };
  if (state.tab === "layers") return known.layers.map((name) => ({ id: `layer ${effective.model} ${name}`, name, what: "layer", look: { preset: null, values: { ...model, layers: [name] } } }));
  const words = $("search").value.trim().toLowerCase();
  const numbered = known.classes.map((name, number) => [name, number]);
  const found = words ? numbered.filter(([name, number]) => name.toLowerCase().includes(words) || String(number) === words) : [];
  const groups = known.groups.filter((name) => !words || name.includes(words)).map((name) => [name, name]);
  const single = known.classes.length <= 100 && !words ? numbered : found.slice(0, MOST_FOUND);
  return [...groups, ...single].map(([name, value]) => ({ id: `class ${effective.model} ${value}`, name, what: typeof value === "number" ? `class ${value}` : "group",
    value: String(value), look: { preset: null, values: { ...model, classes: [String(value)] } } }));
}

const fill = saying(async () => {
  if (!state.path) return;
  const list = entries();
  const old = tiles;
  tiles = new Map();
  $("gallery").replaceChildren(...list.map((entry) => {
    const tile = old.get(entry.id) ?? makeTile(entry);
    tiles.set(entry.id, tile);
    return h("li", {}, tile.button);
  }));
  mark();
  const asked = { client, kind: "tiles", path: state.path, time: state.time, looks: list.map((entry) => ({ id: entry.id, look: entry.look })) };
  if (!list.length) {
    $("gallery-state").textContent = state.tab === "presets" ? "" : "loading names…";
    return;
  }
  $("gallery-state").textContent = "dreaming…";
  request = (await post("pictures", asked)).request;
});

function makeTile(entry) {
  const known = pictures.get(entry.id);
  const picture = known ? h("img", { alt: "", src: known }) : h("span", { class: "blank" });
  const button = h("button", { type: "button", class: known ? "tile stale" : "tile", "data-look": entry.name, "aria-pressed": "false", onclick: () => pick(entry) },
    picture, h("span", { class: "text" }, h("span", { class: "name" }, entry.name), h("span", { class: "what" }, entry.what)));
  return { button, entry, level: -1 };
}

export function pictureCame(event) {
  if (event.done && event.request === request) $("gallery-state").textContent = "";
  const tile = tiles.get(event.id);
  if (!tile || (event.request < request)) return;
  if (event.error) {
    tile.button.querySelector(".what").textContent = event.error;
    tile.button.querySelector(".blank")?.classList.remove("blank");
    return;
  }
  if (!event.pictures || event.level < tile.level) return; // a finer picture of this frame has come
  tile.level = event.level;
  const address = `api/picture/${event.pictures.dream}`;
  pictures.set(event.id, address);
  const image = h("img", { alt: "", src: address });
  image.decode().then(() => {
    if (tile.level !== event.level) return;
    tile.button.classList.remove("stale");
    tile.button.firstElementChild.replaceWith(image);
  }, () => {});
}

function pick(entry) {
  if (state.tab === "presets") return choose(entry.look);
  if (state.tab === "layers") return choose({ preset: look.preset, values: { ...look.values, model: effective.model, layers: toggled(effective.layers, entry.name) } });
  return choose({ preset: look.preset, values: { ...look.values, model: effective.model, classes: toggled(effective.classes, entry.value) } });
}

// Without the entry if it is there, with any weight; else with it.
function toggled(list, name) {
  const plain = Array.isArray(list) ? list : [];
  const rest = plain.filter((each) => each !== name && !each.startsWith(`${name}:`));
  return rest.length < plain.length ? rest : [...plain, name];
}

function isChosen(entry) {
  if (state.tab === "presets") return (entry.look.preset ?? null) === (look.preset ?? null) && (look.preset || !Object.keys(look.values).some((name) => ["classes", "layers"].includes(name)));
  const list = state.tab === "layers" ? effective.layers : effective.classes;
  const name = state.tab === "layers" ? entry.name : entry.value;
  return Array.isArray(list) && list.some((each) => each === name || each.startsWith(`${name}:`));
}

function mark() {
  for (const tile of tiles.values()) tile.button.setAttribute("aria-pressed", String(Boolean(isChosen(tile.entry))));
}
