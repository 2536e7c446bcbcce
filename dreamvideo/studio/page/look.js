// A film, its frame and its look: what the part "Look" shows.
import { $, baseName, client, clock, duration, get, inFolder, post, query, saying, say, size } from "./api.js";
import { namesCame, pictureCame, showChosen, showFrame, startGallery } from "./gallery.js";
import { labelOf, namesOf, rememberNames, showKnobs, startKnobs } from "./knobs.js";
import { rate, showReport } from "./report.js";
import { addFrame, filmLength, forgetDream, showDream, showSource, startFilm, startStage, stopFilm } from "./stage.js";
import { openStrip, showPlayhead, startStrip } from "./strip.js";
import { endSelection, keyHere, putKeys, showNow, showTimeline, startTimeline, take, toggleKey } from "./timeline.js";

const STAGE_SIDE = 832; // pixels; as the studio's largest picture of a look
const WAIT = 200; // ms after the last change before a look is dreamed
let paths = [];
let isPhoto = false;
let pictures = 0; // of a folder that is one film; 0: it is none
let pictureRate = 25; // of them, per second
let time = 0;
const PLAIN = { preset: null, values: {}, timeline: {}, drives: [] };
const MERGED = 1000; // ms within which moves of a key are one step of undo
let look = PLAIN;
let shown = { values: {}, preset: null }; // of the look, at the frame that is shown
let presets = [];
let merging = 0; // when a key was moved last
let described = 0; // the newest question what a look is; answers to older ones are not shown
let settling = 0; // a timer until the frame of a key that moves is dreamed
let [past, future] = [[], []];
let timer = 0;
let requests = { stage: 0, preview: 0 };
let previewing = false;

// The look for a live dream, which has no timeline: as it is at the frame that is shown.
export function chosenLook() {
  const { timeline } = look;
  const now = Object.keys(timeline).filter((name) => name !== "preset").map((name) => [name, shown.values[name]]);
  return { preset: timeline.preset ? shown.preset : look.preset, values: { ...look.values, ...Object.fromEntries(now) } };
}

const film = () => paths[0];
const frameTime = () => (isPhoto ? null : time);

export function startLook(start) {
  startStage();
  startStrip();
  presets = start.presets.map((preset) => preset.name);
  startKnobs(start.knobs, (name, value) => {
    if (name in look.timeline) return value === undefined ? showLook() : putKeys({ [name]: value });
    const values = { ...look.values };
    if (value === undefined) delete values[name];
    else values[name] = value;
    return setLook({ ...look, values });
  }, (name) => toggleKey(name, shown.values[name] ?? ""));
  startGallery(start, choose);
  startTimeline({ film, look: () => look, time: () => time, label: labelOf, goTo, take: taken,
    values: namesFor,
    drop: (name) => setLook({ ...look, timeline: Object.fromEntries(Object.entries(look.timeline).filter(([each]) => each !== name)) }),
    dropDrive: (text) => setLook({ ...look, drives: look.drives.filter((each) => each !== text) }) });
  $("key-look").onclick = keyOfLook;
  $("dreamed-with").onclick = saying(async () => { await take({ do: "load", film: film() }); $("dreamed-with").hidden = true; });
  $("time").oninput = () => { time = Number($("time").value); showTime(); previewSource(); };
  $("time").onchange = () => { time = Number($("time").value); frameChanged(); };
  $("preview").onclick = () => (previewing ? endPreview() : preview());
  $("dream").onclick = saying(dream);
  $("undo").onclick = () => step(past, future);
  $("redo").onclick = () => step(future, past);
  $("reset").onclick = () => setLook(PLAIN);
  $("copy-command").onclick = saying(async () => { await navigator.clipboard.writeText($("command").textContent); say("copied"); });
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || $("look").hidden || ["text", "number", "search"].includes(event.target.type)) return;
    if (event.key === "z") { event.preventDefault(); step(past, future); }
    if (event.key === "y") { event.preventDefault(); step(future, past); }
  });
}

// A look of the gallery; what has keys gets one at this frame, all else is set.
function choose(next) {
  const keyed = {};
  if (look.timeline.preset && next.preset !== look.preset) keyed.preset = next.preset ?? "";
  for (const name of ["classes", "layers"]) if (look.timeline[name] && next.values[name] !== look.values[name]) keyed[name] = next.values[name] ?? "";
  if (Object.keys(keyed).length) putKeys(keyed);
  else setLook({ ...look, ...next });
}

// A key of all that makes the look: its preset, what was set by hand, and what has keys already.
function keyOfLook() {
  const names = new Set([...Object.keys(look.timeline), ...Object.keys(look.values)].filter((name) => name !== "preset" && labelOf(name) && canHaveKeys(name)));
  const values = Object.fromEntries([...names].map((name) => [name, shown.values[name] ?? ""]));
  if (shown.preset) values.preset = shown.preset;
  putKeys(values);
}

const canHaveKeys = (name) => document.querySelector(`[data-key-of="${name}"]`) !== null;

function namesFor(name) {
  if (name === "preset") return presets;
  const known = namesOf(shown.values.model);
  if (name === "layers") return known?.layers ?? [];
  return name === "classes" && known ? [...known.groups, ...(known.classes.length <= 100 ? known.classes : [])] : [];
}

// Shows a frame, and dreams it when no other is asked for soon.
function goTo(seconds) {
  $("time").value = seconds;
  time = Number($("time").value);
  showTime();
  previewSource();
  clearTimeout(settling);
  settling = setTimeout(frameChanged, 2 * WAIT);
}

// A timeline that the studio has changed.
function taken(answer, merged = false) {
  if (!merged || performance.now() - merging > MERGED) { past.push(look); future = []; }
  merging = merged ? performance.now() : 0;
  look = answer.look;
  shown = answer;
  showTimeline(answer);
  showLook();
  lookSoon();
}

export const openFilms = saying(async (names) => {
  endPreview();
  const isOther = paths.length > 0 && paths[0] !== names[0];
  paths = names;
  const report = await get("report", { path: film() });
  const video = report.input.streams.find((stream) => stream.index === report.input.dreamed)?.video;
  if (!video) throw new Error(`${baseName(film())} holds no picture that could be dreamed`);
  isPhoto = report.input.container === "image";
  $("stage-state").textContent = "opening…";
  $("no-film").hidden = true;
  $("look-body").hidden = false;
  $("look-title").textContent = baseName(film()) + (names.length > 1 ? ` and ${names.length - 1} more` : "");
  $("dream").textContent = names.length > 1 ? `Dream all ${names.length}` : "Dream it";
  $("strip").hidden = $("time-text").hidden = $("preview").hidden = isPhoto;
  if ((isOther || isPhoto) && (Object.keys(look.timeline).length || look.drives.length)) {
    past.push(look);
    look = { ...look, timeline: {}, drives: [] };
    say("The timeline was that of another film: Undo brings it back.");
  }
  endSelection();
  showTimeline({ rows: [], toml: "" });
  $("estimate").textContent = "";
  const [length, fps] = [report.input.duration ?? 0, video.frame_rate ? rate(video.frame_rate) : 25];
  pictures = report.input.container === "folder of pictures" ? Math.round(length * fps) : 0;
  pictureRate = fps;
  location.hash = "look";
  const strip = isPhoto ? {} : await openStrip(film(), fps, pictures > 0);
  $("dreamed-with").hidden = !strip.stored;
  time = Math.floor(length / 2 * fps) / fps;
  $("time").value = time;
  time = Number($("time").value);
  showReport(report);
  showTime();
  showFrame(film(), frameTime(), `${video.shown_width} / ${video.shown_height}`);
  await showSource(sourceAddress()).finally(() => { $("stage-state").textContent = ""; });
  await lookChanged();
});

const sourceAddress = () => `api/frame?${query({ path: film(), time: frameTime(), side: STAGE_SIDE, fps: pictures ? pictureRate : null })}`;

// Keeps the picture of a folder when the look has another rate of pictures.
async function ratePictures(fps) {
  if (!pictures || fps === pictureRate) return;
  time = Math.round(time * pictureRate) / fps;
  pictureRate = fps;
  await openStrip(film(), fps, true);
  $("time").value = time;
  showTime();
  await showSource(sourceAddress());
}

function showTime() {
  const rounded = Math.round(time * 100);
  const hundredths = rounded - time * 100 === 0.5 && rounded % 2 ? rounded - 1 : rounded; // half to even, as at a key
  $("time-text").textContent = `${clock(Math.floor(hundredths / 100))}.${String(hundredths % 100).padStart(2, "0")}`;
  $("time").setAttribute("aria-valuetext", $("time-text").textContent);
  showPlayhead(time);
  showNow();
}

let waiting = false; // a source frame is on its way: others are skipped while the slider moves
const previewSource = saying(async () => {
  endPreview();
  if (waiting) return;
  waiting = true;
  try {
    await showSource(sourceAddress());
  } finally {
    waiting = false;
  }
});

const frameChanged = saying(async () => {
  clearTimeout(settling);
  endPreview();
  showTime();
  await showSource(sourceAddress());
  showFrame(film(), frameTime(), getComputedStyle($("gallery")).getPropertyValue("--aspect"));
  if (Object.keys(look.timeline).length) await describe();
  await askStage();
});

function setLook(next) {
  past.push(look);
  future = [];
  look = next;
  lookSoon();
}

function step(from, to) {
  if (!from.length) return;
  to.push(look);
  look = from.pop();
  lookSoon();
}

function lookSoon() {
  described += 1;
  endPreview();
  clearTimeout(timer);
  $("estimate").textContent = "";
  timer = setTimeout(saying(lookChanged), WAIT);
  showButtons();
}

function showButtons() {
  $("undo").disabled = !past.length;
  $("redo").disabled = !future.length;
  $("reset").disabled = !look.preset && ![look.values, look.timeline, look.drives].some((each) => Object.keys(each).length);
}

async function lookChanged() {
  showButtons();
  if (await describe()) await askStage();
}

// Asks what the look is at this frame, and shows it; false: it makes no sense, or another question was asked since.
async function describe() {
  const number = ++described;
  let answer;
  try {
    answer = await post("look", { path: film(), look, time: frameTime() });
  } catch (error) {
    $("look-error").textContent = error.message;
    $("stage-state").textContent = "";
    $("dream").disabled = $("preview").disabled = true;
    return false;
  }
  if (number !== described) return false;
  $("look-error").textContent = "";
  $("dream").disabled = $("preview").disabled = false;
  $("look-name").textContent = answer.title;
  $("command").textContent = answer.command;
  shown = answer;
  await ratePictures(Number(answer.values.fps));
  showTimeline(answer);
  showLook();
  if (!namesOf(answer.values.model)) await post("pictures", { client, kind: "names", model: answer.values.model });
  return true;
}

function showLook() {
  $("key-look").disabled = false;
  showKnobs(shown.values, look.values, isPhoto, look.timeline, keyHere);
  showChosen({ preset: shown.preset, values: look.values }, shown.values);
}

async function askStage() {
  $("stage-state").textContent = "dreaming this frame…";
  const asked = { client, kind: "stage", path: film(), time: frameTime(), looks: [{ id: "stage", look }] };
  requests.stage = (await post("pictures", asked)).request;
}

const preview = saying(async () => {
  previewing = true;
  $("preview").textContent = "Stop the preview";
  $("stage-state").textContent = "dreaming two seconds…";
  $("estimate").textContent = "";
  const asked = { client, kind: "preview", path: film(), time, looks: [{ id: "preview", look }] };
  startFilm(25);
  requests.preview = (await post("pictures", asked)).request;
});

function endPreview() {
  if (!previewing) return;
  previewing = false;
  requests.preview = Infinity;
  $("preview").textContent = "Preview 2 s";
  $("stage-state").textContent = "";
  stopFilm();
  saying(post)("pictures", { client, kind: "preview" });
}

export function onPicture(event) {
  if (event.kind === "names" && event.classes) { rememberNames(event); namesCame(); }
  if (event.kind === "tiles") pictureCame(event);
  if (event.kind === "stage" && event.request >= requests.stage) onStage(event);
  if (event.kind === "preview" && event.request >= requests.preview) onPreview(event);
}

function onStage(event) {
  if (event.error) { $("look-error").textContent = inFolder(event.error); forgetDream(); }
  if (event.pictures) showDream(`api/picture/${event.pictures.dream}`).catch(() => {});
  if ((event.done || event.level === 1) && !previewing) $("stage-state").textContent = "";
}

function onPreview(event) {
  if (event.error) { endPreview(); say(event.error, true); return; }
  if (event.pictures) {
    if (event.index === 0) startFilm(event.fps);
    addFrame(event.index, `api/picture/${event.pictures.source}`, `api/picture/${event.pictures.dream}`).catch(() => {});
    $("stage-state").textContent = `dreaming two seconds: ${event.index + 1} frames`;
  }
  if (event.estimate) {
    const { seconds, bytes } = event.estimate;
    $("estimate").textContent = seconds ? `The whole film: about ${duration(seconds)} on this machine, and ${size(bytes)} on the disk.` : "";
  }
  if (event.done) $("stage-state").textContent = `${filmLength() ? "two seconds, again and again" : ""}`;
}

async function dream() {
  await post("jobs", { paths, look });
  say(paths.length > 1 ? `${paths.length} files are in the queue` : `${baseName(film())} is in the queue`);
  location.hash = "queue";
}
