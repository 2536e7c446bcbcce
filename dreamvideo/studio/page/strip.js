// The strip below the picture: frames of the film, its sound, and the slider that is the playhead.
import { $, get, h, query, say, saying } from "./api.js";

const SOON = 700; // ms between two questions whether a sound has been heard
const NARROW = 90; // pixels of a frame in the strip, about
let shown = { path: null, length: 1, fps: 25 };
let sound = {}; // lows, highs, beats

export const filmSeconds = () => shown.length;
export const framesPerSecond = () => shown.fps;
export const beats = () => sound.beats ?? [];
export const snapped = (time) => Math.min(Math.floor(shown.length * shown.fps + 1e-6), Math.max(0, Math.round(time * shown.fps))) / shown.fps;

export function startStrip() {
  $("find-beats").onclick = () => { say("listening for beats"); saying(listenTo)(shown.path, 1); };
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
}

// Returns what the studio says of the film; `fps` is that of its report, or that at which a folder of pictures is read.
export async function openStrip(path, fps, isFolder) {
  const rate = isFolder ? fps : null;
  const answer = await get("strip", { path, fps: rate });
  shown = { path, length: answer.length, fps: answer.frame_rate ?? fps, rate };
  sound = {};
  const last = Math.max(0, answer.length - 1.5 / shown.fps);
  Object.assign($("time"), { step: 1 / shown.fps, max: last });
  $("time").style.width = `calc(${100 * last / answer.length}% + 16px)`; // the middle of its thumb is where the frame is
  fillFrames();
  draw();
  saying(listenTo)(path, null);
  return answer;
}

export function showPlayhead(time) {
  $("strip").style.setProperty("--at", String(time / shown.length));
}

function fillFrames() {
  const count = Math.max(4, Math.min(12, Math.round($("band").clientWidth / NARROW) || 8));
  const times = Array.from({ length: count }, (_, number) => Number(snapped((number + 0.5) / count * shown.length).toFixed(3)));
  $("band-frames").replaceChildren(...times.map((time) => h("img", { alt: "", draggable: "false", src: `api/frame?${query({ path: shown.path, time, side: 128, fps: shown.rate })}` })));
}

async function listenTo(path, beats) {
  $("find-beats").hidden = true;
  for (;;) {
    const answer = await get("sound", { path, beats });
    if (path !== shown.path) return;
    if (answer.done || answer.error) {
      sound = answer.done ? answer : sound;
      $("find-beats").hidden = Boolean(beats) || !sound.lows?.length;
      if (answer.error && beats) say(answer.error, true);
      return draw();
    }
    await new Promise((resolve) => setTimeout(resolve, SOON));
  }
}

function draw() {
  const canvas = $("wave");
  const silent = Boolean(sound.lows && !sound.lows.length);
  $("band").classList.toggle("silent", silent);
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  context.clearRect(0, 0, width, height);
  if (silent || !sound.lows) return;
  context.fillStyle = style.getPropertyValue("--control");
  for (const beat of beats()) context.fillRect(Math.round(beat / shown.length * width), 0, 1, height);
  context.fillStyle = style.getPropertyValue("--accent");
  const columns = sound.lows.length;
  for (let column = 0; column < columns; column += 1) {
    const [top, bottom] = [sound.highs[column], sound.lows[column]].map((level) => height / 2 - level / 100 * (height / 2 - 2));
    context.fillRect(column * width / columns, top, width / columns, Math.max(1, bottom - top));
  }
}
