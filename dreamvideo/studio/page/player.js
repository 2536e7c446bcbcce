// A finished film beside its source, in step.
import { $, baseName, clock, query } from "./api.js";

const DRIFT = 0.08; // seconds between the two above which the source is set to the dream's time

export function startPlayer() {
  const [source, dream] = [$("player-source"), $("player-dream")];
  $("player-close").onclick = () => $("player").close();
  $("player").onclose = () => { for (const video of [source, dream]) { video.pause(); video.removeAttribute("src"); video.load(); } };
  $("player-play").onclick = () => (dream.paused ? start() : dream.pause());
  $("player-loop").onchange = () => { dream.loop = $("player-loop").checked; };
  $("player-mute").onchange = () => { dream.muted = $("player-mute").checked; };
  $("player-seek").oninput = () => { if (dream.duration) dream.currentTime = source.currentTime = $("player-seek").value / 1000 * dream.duration; };
  dream.onplay = () => { $("player-play").textContent = "Pause"; source.play().catch(() => {}); };
  dream.onpause = () => { $("player-play").textContent = "Play"; source.pause(); };
  dream.onended = () => source.pause();
  dream.ontimeupdate = follow;
  dream.onseeked = () => { source.currentTime = dream.currentTime; };
  for (const video of [source, dream]) {
    video.onerror = () => {
      if (video.getAttribute("src")) $("player-error").textContent = `This browser cannot play the ${video === dream ? "dream" : "source"}: download it, and open it in a player.`;
    };
  }
}

// Whether there is a film to play beside the dream: a folder of pictures is none.
export const hasFilm = (job) => /\.\w{2,5}$/.test(job.source);

function start() {
  $("player-dream").play().catch(() => {});
}

function follow() {
  const [source, dream] = [$("player-source"), $("player-dream")];
  if (Math.abs(source.currentTime - dream.currentTime) > DRIFT) source.currentTime = dream.currentTime;
  if (!dream.duration) return;
  $("player-seek").value = 1000 * dream.currentTime / dream.duration;
  $("player-time").textContent = `${clock(dream.currentTime)} of ${clock(dream.duration)}`;
  $("player-seek").setAttribute("aria-valuetext", $("player-time").textContent);
}

export function play(job) {
  $("player-title").textContent = baseName(job.output);
  $("player-error").textContent = "";
  const [source, dream] = [$("player-source"), $("player-dream")];
  source.closest("figure").hidden = !hasFilm(job);
  if (hasFilm(job)) source.src = `api/film?${query({ path: job.source })}`;
  dream.src = `api/film?${query({ path: job.output })}`;
  dream.loop = $("player-loop").checked;
  dream.muted = $("player-mute").checked;
  $("player").showModal();
  start();
}
