// A film, its frame and its look: what the part "Look" shows.
import { $, baseName, client, clock, duration, get, post, query, saying, say, size } from "./api.js";
import { namesCame, pictureCame, showChosen, showFrame, startGallery } from "./gallery.js";
import { namesOf, rememberNames, showKnobs, startKnobs } from "./knobs.js";
import { rate, showReport } from "./report.js";
import { addFrame, filmLength, forgetDream, showDream, showSource, startFilm, startStage, stopFilm } from "./stage.js";

const STAGE_SIDE = 832; // pixels; as the studio's largest picture of a look
const WAIT = 200; // ms after the last change before a look is dreamed
let paths = [];
let isPhoto = false;
let pictures = 0; // of a folder that is one film; 0: it is none
let pictureRate = 25; // of them, per second
let time = 0;
let look = { preset: null, values: {} };
let [past, future] = [[], []];
let timer = 0;
let requests = { stage: 0, preview: 0 };
let previewing = false;

export const chosenLook = () => look;
const film = () => paths[0];
const frameTime = () => (isPhoto ? null : time);

export function startLook(start) {
  startStage();
  startKnobs(start.knobs, (name, value) => {
    const values = { ...look.values };
    if (value === undefined) delete values[name];
    else values[name] = value;
    setLook({ preset: look.preset, values });
  });
  startGallery(start, setLook);
  $("time").oninput = () => { time = Number($("time").value); showTime(); previewSource(); };
  $("time").onchange = () => { time = Number($("time").value); frameChanged(); };
  $("preview").onclick = () => (previewing ? endPreview() : preview());
  $("dream").onclick = saying(dream);
  $("undo").onclick = () => step(past, future);
  $("redo").onclick = () => step(future, past);
  $("reset").onclick = () => setLook({ preset: null, values: {} });
  $("copy-command").onclick = saying(async () => { await navigator.clipboard.writeText($("command").textContent); say("copied"); });
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || $("look").hidden || ["text", "number", "search"].includes(event.target.type)) return;
    if (event.key === "z") { event.preventDefault(); step(past, future); }
    if (event.key === "y") { event.preventDefault(); step(future, past); }
  });
}

export const openFilms = saying(async (names) => {
  endPreview();
  paths = names;
  const report = await get("report", { path: film() });
  const video = report.input.streams.find((stream) => stream.index === report.input.dreamed)?.video;
  if (!video) throw new Error(`${baseName(film())} holds no picture that could be dreamed`);
  isPhoto = report.input.container === "image";
  $("no-film").hidden = true;
  $("look-body").hidden = false;
  $("look-title").textContent = baseName(film()) + (names.length > 1 ? ` and ${names.length - 1} more` : "");
  $("dream").textContent = names.length > 1 ? `Dream all ${names.length}` : "Dream it";
  $("time-row").hidden = $("time-text").hidden = $("preview").hidden = isPhoto;
  $("estimate").textContent = "";
  const [length, fps] = [report.input.duration ?? 0, video.frame_rate ? rate(video.frame_rate) : 25];
  pictures = report.input.container === "folder of pictures" ? Math.round(length * fps) : 0;
  pictureRate = fps;
  Object.assign($("time"), { step: 1 / fps, max: Math.max(0, length - 1.5 / fps) });
  time = Math.floor(length / 2 * fps) / fps;
  $("time").value = time;
  time = Number($("time").value);
  showReport(report);
  location.hash = "look";
  showTime();
  showFrame(film(), frameTime(), `${video.shown_width} / ${video.shown_height}`);
  await showSource(sourceAddress());
  await lookChanged();
});

const sourceAddress = () => `api/frame?${query({ path: film(), time: frameTime(), side: STAGE_SIDE, fps: pictures ? pictureRate : null })}`;

// Keeps the picture of a folder when the look has another rate of pictures.
async function ratePictures(fps) {
  if (!pictures || fps === pictureRate) return;
  time = Math.round(time * pictureRate) / fps;
  pictureRate = fps;
  Object.assign($("time"), { step: 1 / fps, max: (pictures - 1.5) / fps, value: time });
  showTime();
  await showSource(sourceAddress());
}

function showTime() {
  $("time-text").textContent = `${clock(Math.floor(time))}.${String(Math.floor(time * 100) % 100).padStart(2, "0")}`;
  $("time").setAttribute("aria-valuetext", $("time-text").textContent);
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
  endPreview();
  showTime();
  await showSource(sourceAddress());
  showFrame(film(), frameTime(), getComputedStyle($("gallery")).getPropertyValue("--aspect"));
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
  endPreview();
  clearTimeout(timer);
  $("estimate").textContent = "";
  timer = setTimeout(saying(lookChanged), WAIT);
  showButtons();
}

function showButtons() {
  $("undo").disabled = !past.length;
  $("redo").disabled = !future.length;
  $("reset").disabled = !look.preset && !Object.keys(look.values).length;
}

async function lookChanged() {
  showButtons();
  let answer;
  try {
    answer = await post("look", { path: film(), look });
  } catch (error) {
    $("look-error").textContent = error.message;
    $("dream").disabled = $("preview").disabled = true;
    return;
  }
  $("look-error").textContent = "";
  $("dream").disabled = $("preview").disabled = false;
  $("look-name").textContent = answer.title;
  $("command").textContent = answer.command;
  showKnobs(answer.values, look.values, isPhoto);
  showChosen(look, answer.values);
  await ratePictures(Number(answer.values.fps));
  if (!namesOf(answer.values.model)) await post("pictures", { client, kind: "names", model: answer.values.model });
  await askStage();
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
  if (event.error) { $("look-error").textContent = event.error; forgetDream(); }
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
