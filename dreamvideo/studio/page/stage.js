// The large picture: source on the left of the divider, dream on the right; still, or the frames of a preview.
import { $ } from "./api.js";

let still = { source: null, dream: null };
let film = null; // { frames: [{source, dream}], fps, timer }
let dreams = 0; // that were asked for
let newest = 0; // of the pictures that were asked for, so that a slow one does not replace a later one

export function startStage() {
  $("divider").oninput = draw;
  addEventListener("resize", draw);
}

async function load(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

export async function showSource(address) {
  const number = ++newest;
  const image = await load(address);
  if (number !== newest) return;
  still = { source: image, dream: null };
  draw();
}

export async function showDream(address) {
  const [number, mine] = [newest, ++dreams];
  const image = await load(address);
  if (number !== newest || mine !== dreams) return;
  still.dream = image;
  draw();
}

export const forgetDream = () => { still.dream = null; draw(); };

export function startFilm(fps) {
  stopFilm();
  film = { frames: [], fps, shown: 0 };
}

export async function addFrame(index, source, dream) {
  const mine = film;
  const [sourceImage, dreamImage] = await Promise.all([load(source), load(dream)]);
  if (!film || film !== mine) return;
  film.frames[index] = { source: sourceImage, dream: dreamImage };
  if (!film.timer) film.timer = setInterval(nextFrame, 1000 / film.fps);
}

function nextFrame() {
  const ready = film.frames.findIndex((frame) => !frame);
  const count = ready < 0 ? film.frames.length : ready;
  if (!count) return;
  film.shown = (film.shown + 1) % count;
  draw();
}

export function stopFilm() {
  if (film) clearInterval(film.timer);
  film = null;
  draw();
}

export const filmLength = () => (film ? film.frames.length : 0);

function draw() {
  const canvas = $("canvas");
  const { source, dream } = film && film.frames.length ? film.frames[film.shown] ?? film.frames[0] : still;
  const share = $("divider").value / 100;
  if (source) {
    // As large as the source, or as the screen shows it; the dream may come in several sizes.
    const width = Math.max(source.naturalWidth, dream ? dream.naturalWidth : 0);
    const height = Math.round(width * source.naturalHeight / source.naturalWidth);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, width, height);
    if (dream) {
      context.save();
      context.beginPath();
      context.rect(Math.round(width * share), 0, width, height);
      context.clip();
      context.drawImage(dream, 0, 0, width, height);
      context.restore();
    }
  }
  // The divider spans the picture, which may be narrower than the stage.
  const [stage, shown] = [$("stage").getBoundingClientRect(), canvas.getBoundingClientRect()];
  const fitted = canvas.height ? Math.min(shown.width, shown.height * canvas.width / canvas.height) : shown.width;
  const left = shown.left - stage.left + (shown.width - fitted) / 2;
  $("divider-line").style.left = `${left + fitted * share}px`;
  $("divider").style.left = `${left}px`;
  $("divider").style.width = `${fitted}px`;
  for (const tag of document.querySelectorAll(".stage .tag")) tag.style.margin = `0 ${left}px`;
}
