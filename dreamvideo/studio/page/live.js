// The live dream: which camera, its images in both directions, its controls.
import { $, client, get, h, inFolder, post, query, saying, say } from "./api.js";
import { chosenLook } from "./look.js";

const POLL = 300; // ms between requests for the state
const PAUSE = 200; // ms after there was no image
const SIZE = { width: { ideal: 960 }, height: { ideal: 540 } }; // of the browser's camera; as large as it is shown on a laptop
const QUALITY = 0.85; // of its JPEGs, as of those that come back
const FRAME = 1000 / 30; // ms from one of them to the next
const KEYS = ["r", "s", "space", "m", "d", "u", "b", "0", "f"]; // those that a page needs, in their order
const NAMES = { space: "freeze", "0": "restart", u: "source", d: "split" }; // shorter than their help
const REFUSALS = {
  NotAllowedError: "the browser did not give its camera to this page: allow it beside the address",
  NotFoundError: "this browser has no camera",
  NotReadableError: "the camera of this browser is in use by another program",
};
let state = { running: false };
let media = null; // of the browser's camera
let polling = false;
let looking = false;
let delay = null; // ms from an image of this browser's camera to its dream on the screen
const sliders = new Map(); // name -> { input, value, clear }

export function startLive() {
  $("live-start").onclick = saying(start);
  $("live-stop").onclick = saying(async () => show(await post("live/stop")));
  $("live-preset").onchange = () => set("preset", $("live-preset").value || null);
  $("live-class").onchange = () => set("class", $("live-class").value.trim() || null);
  addEventListener("keydown", (event) => {
    const key = event.key === " " ? "space" : event.key.toLowerCase();
    if ($("live").hidden || !state.running || event.ctrlKey || event.metaKey || event.altKey || !KEYS.includes(key)) return;
    if (event.target.closest("input, select, button, a, summary, dialog")) return;
    event.preventDefault();
    press(key);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) showLive(); });
}

const set = saying((name, value) => post("live/set", { name, value }));

const press = saying((key) => {
  if (key !== "f") return post("live/press", { key });
  return document.fullscreenElement ? document.exitFullscreen() : $("live-stage").requestFullscreen();
});

export const showLive = saying(async () => {
  $("live-look").textContent = `The look that is chosen: ${$("look-name").textContent}`;
  if (polling) return;
  polling = true;
  try {
    if (!state.running) await listCameras();
    while (!$("live").hidden && !document.hidden) {
      show(await get("live"));
      await sleep(POLL);
    }
  } finally {
    polling = false;
  }
});

async function listCameras() {
  const [answer, listing] = await Promise.all([get("live/cameras"), get("files", { folder: "" })]);
  const films = listing.entries.filter((entry) => entry.kind === "film");
  const chosen = $("live-camera").value;
  const group = (label, options) => (options.length ? h("optgroup", { label }, ...options) : null);
  const option = (about, name) => h("option", { value: JSON.stringify(about) }, name);
  $("live-camera").replaceChildren(option({}, "the camera of this browser"),
    ...[group("This machine", answer.cameras.map(({ camera, name }) => option({ camera }, name))),
      group("A film in its place", films.map(({ name }) => option({ film: name }, name)))].filter(Boolean));
  if ([...$("live-camera").options].some(({ value }) => value === chosen)) $("live-camera").value = chosen;
}

async function start() {
  $("live-error").textContent = "";
  const camera = JSON.parse($("live-camera").value || "{}");
  $("live-start").disabled = true;
  try {
    const own = camera.film === undefined && camera.camera === undefined;
    if (own) media = await openCamera();
    show(await post("live/start", { client, look: chosenLook(), ...camera }));
    if (own) sendImages();
  } catch (error) {
    closeCamera();
    $("live-error").textContent = error.message;
  } finally {
    $("live-start").disabled = false;
  }
}

async function openCamera() {
  if (!navigator.mediaDevices) throw new Error("browsers give their camera only to pages of this machine: open the studio through ssh -L");
  try {
    return await navigator.mediaDevices.getUserMedia({ video: SIZE });
  } catch (error) {
    throw new Error(REFUSALS[error.name] ?? `the camera of this browser does not open: ${error.message}`);
  }
}

function closeCamera() {
  for (const track of media?.getTracks() ?? []) track.stop();
  media = null;
}

// Sends the newest image, then waits until it was taken; what the camera sees meanwhile is skipped.
async function sendImages() {
  const [video, canvas, mine] = [document.createElement("video"), document.createElement("canvas"), media];
  Object.assign(video, { srcObject: mine, muted: true, playsInline: true });
  try {
    await video.play();
    while (media === mine && mine.active) {
      const began = performance.now();
      [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
      canvas.getContext("2d").drawImage(video, 0, 0);
      const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
      const answer = await fetch(`api/live/frame?${query({ client, mark: began / 1000 })}`, { method: "PUT", headers: { "Content-Type": "image/jpeg" }, body: jpeg });
      if (!answer.ok) break; // it was stopped
      await sleep(FRAME - (performance.now() - began));
    }
  } catch (error) {
    say(`the camera of this browser has stopped: ${error.message}`, true);
  }
  video.srcObject = null;
  if (media === mine) closeCamera();
}

// Shows the newest image, then asks for the next.
async function showImages() {
  if (looking) return;
  looking = true;
  let after = state.after;
  try {
    while (state.running && !$("live").hidden && !document.hidden) {
      const answer = await fetch(`api/live/image?${query({ after })}`);
      if (!answer.ok) throw new Error((await answer.text()).trim());
      if (answer.status === 204) { await sleep(PAUSE); continue; }
      after = Number(answer.headers.get("Live-Number"));
      const image = await createImageBitmap(await answer.blob());
      const canvas = $("live-canvas");
      if (canvas.width !== image.width || canvas.height !== image.height) [canvas.width, canvas.height] = [image.width, image.height];
      canvas.getContext("2d").drawImage(image, 0, 0);
      image.close();
      const mark = answer.headers.get("Live-Mark");
      if (mark && state.sender === client) delay = performance.now() - 1000 * Number(mark);
    }
  } catch (error) {
    $("live-error").textContent = error.message;
    await sleep(1000);
  } finally {
    looking = false;
  }
}

function show(next) {
  const began = next.running && !state.running;
  const ended = !next.running && state.running;
  state = next;
  $("live-start").hidden = $("live-camera").parentElement.hidden = next.running;
  $("live-stop").hidden = $("live-body").hidden = !next.running;
  $("live-hint").hidden = next.running;
  if (!next.running) {
    if (ended) { closeCamera(); listCameras(); if (document.fullscreenElement) document.exitFullscreen(); }
    $("live-look").textContent = `The look that is chosen: ${$("look-name").textContent}`;
    if (next.message) setText($("live-error"), inFolder(next.message));
    return;
  }
  setText($("live-look"), `${next.camera}, ${next.title}`);
  if (began) { delay = null; $("live-error").textContent = ""; const canvas = $("live-canvas"); canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height); }
  if (next.controls) showControls(next);
  else {
    setText($("live-message"), next.message || "loading the network…");
    $("live-numbers").textContent = "";
  }
  showImages();
}

function showControls({ controls, numbers, menu, keys, named, message }) {
  if (!$("live-keys").children.length) makeControls(keys, named);
  const mode = controls.black ? "Black" : controls.source ? "Undreamed" : controls.recording ? "Recording" : controls.frozen ? "Frozen" : "Live";
  setText($("live-message"), inFolder(message) || (numbers.camera_size[0] ? mode : "waiting for the camera…"));
  $("live-message").className = controls.recording ? "recording" : "";
  const size = ([height, width]) => `${width} × ${height}`;
  $("live-numbers").textContent = numbers.camera_size[0] ? [
    `camera ${size(numbers.camera_size)}, ${numbers.camera_fps.toFixed(0)} fps`, `shown ${numbers.shown_fps.toFixed(0)} fps`,
    `dream ${size(numbers.working_size)}, ${numbers.steps_per_second.toFixed(0)} steps/s`,
    `${(delay ?? numbers.latency_ms).toFixed(0)} ms ${delay === null ? "in the studio" : "from this camera to this picture"}`, numbers.device,
  ].filter(Boolean).join(" · ") : "";
  for (const button of $("live-keys").children) if (button.dataset.switch) button.setAttribute("aria-pressed", String(controls[button.dataset.switch]));
  fill($("live-preset"), ["", ...menu.presets], (name) => name || "as started");
  fill($("live-classes"), menu.classes, (name) => name);
  if (document.activeElement !== $("live-preset")) $("live-preset").value = controls.preset ?? "";
  if (document.activeElement !== $("live-class")) $("live-class").value = controls.classes ?? "";
  const typed = Object.fromEntries(controls.numbers);
  const looks = Object.fromEntries(numbers.look_numbers);
  for (const [name, slider] of sliders) {
    const field = name.replaceAll("-", "_");
    const value = name === "strength" ? controls.strength : typed[field] ?? looks[field];
    slider.clear.hidden = name === "strength" || !(field in typed);
    if (slider.sending || slider.input.matches(":active")) continue;
    slider.input.value = value ?? slider.input.min;
    slider.value.textContent = value === undefined || value === null ? "auto" : Number(Number(value).toPrecision(3));
  }
}

function fill(list, names, text) {
  const key = names.join("\n");
  if (list.dataset.names === key) return; // else a list that is open would be closed
  list.dataset.names = key;
  list.replaceChildren(...names.map((name) => h("option", { value: name }, text(name))));
}

function makeControls(keys, named) {
  const known = new Map(keys.map((key) => [key.name, key]));
  $("live-keys").replaceChildren(...KEYS.filter((name) => known.has(name) && (name !== "f" || document.fullscreenEnabled)).map((name) => {
    const { what, switch: field } = known.get(name);
    const isSwitch = field && name !== "f";
    return h("button", { type: "button", "data-key": name, "data-switch": isSwitch ? field : null, "aria-pressed": isSwitch ? "false" : null,
      title: `${what} (${name})`, onclick: () => press(name) }, capital(NAMES[name] ?? what));
  }));
  for (const control of named) (control.name === "strength" ? $("live-strength") : $("live-sliders")).append(makeSlider(control));
}

function makeSlider({ name, what, low, high, whole }) {
  const value = h("span", { class: "value" });
  const step = whole ? 1 : 10 ** Math.floor(Math.log10(high / 200));
  const input = h("input", { id: `live-${name}-number`, type: "range", min: low, max: high, step, title: what });
  const clear = h("button", { type: "button", class: "quiet", hidden: true, "aria-label": `Set ${name} back`, onclick: () => set(name, null) }, "↺");
  const slider = { input, value, clear, sending: false, waiting: null };
  input.oninput = async () => { // the newest value, one at a time
    slider.waiting = input.valueAsNumber;
    value.textContent = Number(slider.waiting.toPrecision(3));
    if (slider.sending) return;
    slider.sending = true;
    while (slider.waiting !== null) {
      const next = slider.waiting;
      slider.waiting = null;
      await set(name, next);
    }
    slider.sending = false;
  };
  sliders.set(name, slider);
  return h("div", { class: "knob" }, h("div", { class: "top" }, h("label", { for: input.id }, capital(name.replaceAll("-", " "))), value, clear), input);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

function setText(element, text) { // only if it differs: a screen reader reads whatever is set
  if (element.textContent !== text) element.textContent = text;
}
