// Requests to the studio, and small helpers of all parts of the page.

export const $ = (id) => document.getElementById(id);

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A name that no other browser has; crypto.randomUUID is missing on pages that are not encrypted.
export const client = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

let root = ""; // of the folder of the studio
export const setRoot = (path) => { root = path; };
// A message that names files as the page does: in the folder of the studio.
export const inFolder = (text) => (root ? text.replaceAll(`${root}/`, "").replaceAll(`${root}\\`, "") : text);

async function answered(response) {
  if (response.ok) return response.json();
  throw new Error(inFolder((await response.text()).trim()) || `the studio answered ${response.status}`);
}

export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));

export async function get(path, values = {}) {
  return answered(await fetch(`api/${path}?${query(values)}`));
}

export async function post(path, body = {}) {
  return answered(await fetch(`api/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }));
}

// Shows a value in a field, unless somebody types in it.
export function fill(field, value) {
  const isTyped = document.activeElement === field && field.value !== (field.dataset.shown ?? "");
  if (!isTyped && field.value !== String(value)) field.value = value;
  field.dataset.shown = value;
}

export function say(text, bad = false) {
  const toast = h("div", { class: bad ? "toast bad" : "toast" }, inFolder(text));
  $("toasts").append(toast);
  setTimeout(() => toast.remove(), bad ? 9000 : 5000);
}

// Runs what a click starts; what goes wrong is said in one sentence.
export const saying = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (error) {
    say(error.message, true);
    return undefined;
  }
};

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes) + `:${String(rest).padStart(2, "0")}`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function size(bytes) {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export const counted = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;
export const baseName = (path) => path.split("/").pop();

export function confirmed(question, yes) {
  const dialog = $("confirm");
  $("confirm-text").textContent = question;
  $("confirm-yes").textContent = yes;
  dialog.showModal();
  return new Promise((resolve) => {
    const end = (answer) => () => { dialog.close(); resolve(answer); };
    $("confirm-yes").onclick = end(true);
    $("confirm-no").onclick = end(false);
    dialog.oncancel = () => resolve(false);
  });
}

// Waits for what happens in the studio, for ever.
export async function listen(onEvent, onJobs) {
  let [after, version] = [0, 0];
  for (;;) {
    try {
      const answer = await get("events", { client, after, version });
      $("lost").hidden = true;
      if (answer.version < version) after = 0; // the studio was started again
      version = answer.version;
      for (const event of answer.events) {
        after = event.event;
        onEvent(event);
      }
      if (answer.jobs) onJobs(answer.jobs);
    } catch (error) {
      if (error.message.includes("token") || error.message.includes("password")) $("lost").textContent = "The studio was started again: open the address that it has printed.";
      $("lost").hidden = false;
      [after, version] = [0, 0];
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
}
