// The timeline of a look: a lane of keys for each option that changes. The studio reads and writes the schedules; the
// page names keys by their number.
import { $, baseName, get, h, post, say, saying } from "./api.js";
import { editKey, endEdit, startEditor } from "./key_editor.js";
import { beats, filmSeconds, framesPerSecond, snapped } from "./strip.js";

const FAR = 4; // pixels that a pointer moves before it drags
const NEAR = 7; // pixels from a beat at which a key is drawn to it
const MOST_WAITING = 4; // steps that are not answered yet: an arrow key that is held down must not run on
let host = {}; // film(), look(), time(), values(), take(answer, merged), drop(name), goTo(time), label(name)
let rows = [];
let toml = "";
let selected = null; // { name, key }
let queue = Promise.resolve();
let waiting = 0;
let drawn = ""; // what the lanes show
let isHeld = false; // a pointer is down on a key: its lane is not drawn anew

export function startTimeline(given) {
  host = given;
  startEditor({ change, label: host.label, values: host.values, close: () => focusKey() });
  $("timeline-save").onclick = save;
  $("timeline-load").onclick = saying(openLoad);
  $("load-close").onclick = () => $("load-dialog").close();
  $("load-take").onclick = saying(load);
}

const rowOf = (name) => rows.find((row) => row.name === name);
const numberAt = (name, time) => keyAt(rowOf(name), time); // changes of others may have given a key another number
export const keyHere = (name) => keyAt(rowOf(name));
export const endSelection = () => { selected = null; endEdit(); };

// The number of the key at the frame of a time; -1: none.
const keyAt = (row, time = host.time()) => (row?.keys ?? []).findIndex((key) => Math.abs(key.time - time) < 0.5 / framesPerSecond());

// Sets keys at the frame that is shown: `values` has the value of each option.
export function putKeys(values) {
  const time = host.time(); // not that at which those before it are done
  return change(() => ({ do: "put", time, values }), "key set");
}

export function toggleKey(name, value) {
  const time = host.time();
  if (keyHere(name) >= 0) change(() => ({ do: "remove", name, key: numberAt(name, time) }), "key removed");
  else putKeys({ [name]: value });
}

export function showTimeline(answer) {
  rows = answer.rows;
  toml = answer.toml;
  const drives = host.look().drives;
  $("timeline-save").disabled = !rows.length;
  $("timeline-hint").textContent = rows.length || drives.length ? "" : "The look is the same throughout. ◆ beside an option sets a key for it at this frame.";
  $("key-help").hidden = !rows.some((row) => row.keys);
  if (!isHeld) drawLanes(drives);
}

function drawLanes(drives, keepsFields = false) {
  const next = JSON.stringify([rows, drives, filmSeconds()]);
  if (next === drawn) return showNow();
  drawn = next;
  const focused = document.activeElement?.classList.contains("key");
  $("lanes").replaceChildren(...rows.map(lane), ...drives.map(drive));
  const row = selected && rowOf(selected.name);
  if (!row?.keys?.[selected.key]) return endSelection();
  mark();
  if (focused) focusKey();
  return $("key-editor").hidden || keepsFields || editKey(row, selected.key, false);
}

export function showNow() {
  for (const element of document.querySelectorAll("#lanes .key")) element.classList.toggle("now", keyHere(element.dataset.row) === Number(element.dataset.key));
}

function lane(row) {
  const label = host.label(row.name);
  const remove = h("button", { type: "button", class: "quiet", "aria-label": `Remove the timeline of ${label}`, onclick: () => host.drop(row.name) }, "×");
  const box = h("div", { class: "lane", role: "group", "aria-label": `Keys of ${label}` });
  if (row.curve) box.append(curve(row));
  if (row.sets && row.keys) box.append(...spans(row));
  if (row.keys) box.append(...row.keys.map((key, number) => mark1(row, key, number)));
  const text = row.keys ? null : h("code", { tabindex: "0" }, row.text);
  const ends = row.curve ? h("span", { class: "muted" }, range(row.curve)) : null;
  return h("div", { class: "lane-row", "data-lane": row.name }, h("div", { class: "lane-head" }, h("span", { class: "lane-name" }, label), ends, text, remove), box);
}

function drive(text) {
  const remove = h("button", { type: "button", class: "quiet", "aria-label": `Remove ${text}`, onclick: () => host.dropDrive(text) }, "×");
  return h("div", { class: "lane-row" }, h("div", { class: "lane-head" }, h("span", { class: "lane-name" }, "Follows the sound"), h("code", { tabindex: "0" }, text), remove));
}

const short = (value) => String(Number(value.toPrecision(3)));
const range = (values) => { const [low, high] = [Math.min(...values), Math.max(...values)]; return low === high ? short(low) : `${short(low)} to ${short(high)}`; };

function svg(tag, values) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  return element;
}

function curve(row) {
  const [low, high, count] = [Math.min(...row.curve), Math.max(...row.curve), row.curve.length];
  const points = row.curve.map((value, at) => `${at * 1000 / (count - 1)},${high > low ? 88 - 76 * (value - low) / (high - low) : 50}`);
  const picture = svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(svg("polyline", { points: points.join(" "), "vector-effect": "non-scaling-stroke" }));
  return picture;
}

// A set of names holds from its key to the next; the first one from the beginning.
function spans(row) {
  return row.keys.map((key, number) => {
    const [begin, end] = [number ? key.time : 0, row.keys[number + 1]?.time ?? filmSeconds()];
    const span = h("span", { class: number % 2 ? "span odd" : "span", "aria-hidden": "true" }, key.value);
    span.style.left = `${100 * begin / filmSeconds()}%`;
    span.style.width = `${100 * Math.max(0, end - begin) / filmSeconds()}%`;
    return span;
  });
}

function mark1(row, key, number) {
  const element = h("div", { class: "key", role: "slider", tabindex: "0", "data-row": row.name, "data-key": number, "data-at": key.at,
    "aria-label": `${host.label(row.name)}, key ${number + 1} of ${row.keys.length}`, "aria-valuemin": 0, "aria-valuemax": filmSeconds(), "aria-valuenow": key.time,
    "aria-valuetext": `${key.value} at ${key.at}${key.how ? `, ${key.how}` : ""}`, "aria-describedby": "key-help",
    onkeydown: (event) => pressed(event, row, number), onpointerdown: (event) => grabbed(event, row, number), onfocus: () => select(row.name, number) });
  element.style.left = `${100 * key.time / filmSeconds()}%`;
  element.classList.toggle("now", keyAt(row) === number);
  return element;
}

function select(name, key) {
  selected = { name, key };
  mark();
}

function mark() {
  for (const element of document.querySelectorAll("#lanes .key")) {
    element.classList.toggle("selected", element.dataset.row === selected?.name && Number(element.dataset.key) === selected.key);
  }
}

function focusKey() {
  if (selected) document.querySelector(`#lanes .key[data-row="${selected.name}"][data-key="${selected.key}"]`)?.focus({ preventScroll: true });
}

function pressed(event, row, number) {
  const far = event.shiftKey ? 1 : 1 / framesPerSecond();
  const moves = { ArrowLeft: -far, ArrowRight: far, ArrowDown: -far, ArrowUp: far, PageDown: -1, PageUp: 1, Home: -filmSeconds(), End: filmSeconds() };
  if (event.key in moves) move(row.name, moves[event.key]);
  else if (event.key === "Delete" || event.key === "Backspace") change(() => ({ do: "remove", name: row.name, key: selected?.key }), "key removed");
  else if (event.key === "Enter" || event.key === " ") { host.goTo(row.keys[number].time); editKey(row, number, true); }
  else return;
  event.preventDefault();
}

// Moves the key that is selected when the changes before it are done.
function move(name, by) {
  change(() => {
    const key = rowOf(name).keys[selected.key];
    return { do: "move", name, key: selected.key, time: Math.max(0, Math.min(filmSeconds(), key.time + by)) };
  }, "moved", true);
}

function grabbed(event, row, number) {
  if (event.button) return;
  const element = event.currentTarget;
  const [lane, begin] = [element.parentElement.getBoundingClientRect(), event.clientX];
  const place = Number(element.dataset.dropped ?? row.keys[number].time);
  let time = null; // null: it is not dragged yet
  isHeld = true;
  element.setPointerCapture(event.pointerId);
  element.onpointermove = (moved) => {
    if (time === null && Math.abs(moved.clientX - begin) < FAR) return;
    time = snapped((moved.clientX - lane.left) / lane.width * filmSeconds());
    const beat = beats().find((each) => Math.abs(each - time) / filmSeconds() * lane.width < NEAR);
    if (beat !== undefined && !moved.shiftKey) time = snapped(beat);
    element.classList.add("dragged");
    element.style.left = `${100 * time / filmSeconds()}%`;
    element.dataset.at = `${time.toFixed(2)} s`;
  };
  const end = (dropped) => () => {
    element.onpointermove = element.onpointerup = element.onpointercancel = null;
    element.classList.remove("dragged");
    isHeld = false;
    if (time === null) { drawLanes(host.look().drives); if (dropped) clicked(row.name, place); return; }
    drawn = ""; // what the lane shows is not what the timeline is
    element.dataset.dropped = time; // where it is when this is answered, for one who drags it again before
    if (dropped) change(() => ({ do: "move", name: row.name, key: numberAt(row.name, place), time }), "moved");
    else drawLanes(host.look().drives);
  };
  element.onpointerup = end(true);
  element.onpointercancel = end(false);
}

function clicked(name, time) {
  const number = numberAt(name, time);
  if (number < 0) return;
  select(name, number);
  host.goTo(time);
  editKey(rowOf(name), number, false);
}

// Sends a change of the timeline; `make` is called when those before it are done. `merged`: a step of many.
function change(make, said, merged = false) {
  if (merged && waiting >= MOST_WAITING) return queue;
  waiting += 1;
  queue = queue.then(async () => {
    try {
      const edit = make();
      const focused = document.activeElement?.classList.contains("key");
      const answer = await edited(edit);
      $("timeline-error").textContent = "";
      selected = answer.key ? { name: answer.key[0], key: answer.key[1] } : null;
      host.take(answer, merged);
      const key = selected && answer.rows.find((row) => row.name === selected.name)?.keys?.[selected.key];
      if (key && edit.do === "move") host.goTo(key.time);
      if (focused && edit.do === "remove" && !key) $("key-look").focus();
      $("key-said").textContent = key ? `${host.label(selected.name)}: ${said}, ${key.value} at ${key.at}` : said;
    } catch (error) {
      $("timeline-error").textContent = error.message;
      drawn = ""; // a key that was dragged goes back; what was typed stays, to be corrected
      drawLanes(host.look().drives, true);
    } finally {
      waiting -= 1;
    }
  });
  return queue;
}

// The look after a change; of the look that is chosen when the answer comes: an option may be set meanwhile.
async function edited(edit) {
  for (;;) {
    const look = host.look();
    const answer = await post("timeline", { path: host.film(), look, time: host.time(), edit });
    if (host.look() === look) return answer;
  }
}

function save() {
  const link = h("a", { download: `${baseName(host.film()).replace(/\.\w+$/, "")}_timeline.toml`, href: URL.createObjectURL(new Blob([toml], { type: "application/toml" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  if (host.look().drives.length) say("what follows the sound is not in this file: the command has it");
}

async function openLoad() {
  const film = host.film();
  const listing = await get("files", { folder: film.includes("/") ? film.slice(0, film.lastIndexOf("/")) : "" });
  const names = listing.entries.filter((entry) => entry.kind === "film").map((entry) => entry.name);
  $("load-film").replaceChildren(h("option", { value: "" }, "none"), ...names.map((name) => h("option", { value: name }, baseName(name))));
  $("load-film").value = "";
  $("load-file").value = "";
  $("load-error").textContent = "";
  $("load-dialog").showModal();
}

async function load() {
  const [file] = $("load-file").files;
  const film = $("load-film").value;
  try {
    if (!file && !film) throw new Error("choose a file, or a film that was dreamed with a timeline");
    await take(film ? { do: "load", film } : { do: "load", name: file.name, text: await file.text() });
    $("load-dialog").close();
  } catch (error) {
    $("load-error").textContent = error.message;
  }
}

export async function take(edit) {
  const answer = await edited(edit);
  $("timeline-error").textContent = "";
  endSelection();
  host.take(answer);
  say(answer.note ?? "the timeline is loaded");
}
