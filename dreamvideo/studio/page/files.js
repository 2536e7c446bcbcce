// Films and photos of the folder, and files that are dropped on the page.
import { $, baseName, get, h, post, query, saying, say, size } from "./api.js";

let folder = "";
let selected = new Set();
let openFilm = () => {};

export function startFiles(open) {
  openFilm = open;
  $("choose-file").onclick = () => $("file-input").click();
  $("file-input").onchange = () => uploadAll([...$("file-input").files].map((file) => [file, file.name]));
  $("open-folder").onclick = () => openFilm([folder]);
  $("use-selected").onclick = () => openFilm([...selected]);
  for (const name of ["dragover", "dragenter"]) addEventListener(name, (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", saying(dropped));
}

export const showFolder = saying(async (name = folder) => {
  const listing = await get("files", { folder: name });
  folder = listing.folder;
  selected = new Set([...selected].filter((path) => listing.entries.some((entry) => entry.name === path)));
  crumbs(listing);
  const pictures = listing.entries.filter((entry) => entry.kind === "photo").length;
  $("open-folder").hidden = !folder || pictures < 2;
  $("open-folder").textContent = `Open these ${pictures} pictures as one film`;
  $("files-hint").hidden = !listing.entries.some((entry) => entry.kind !== "folder");
  $("no-files").hidden = listing.entries.length > 0;
  $("entries").replaceChildren(...listing.entries.map(card));
  $("unfinished").replaceChildren(...listing.unfinished.map(notice));
  $("folder-files").replaceChildren(...listing.entries.filter((entry) => entry.kind !== "folder").map((entry) => h("option", { value: entry.name })));
  showSelected();
});

function crumbs(listing) {
  const parts = listing.folder ? listing.folder.split("/") : [];
  const links = [h("button", { type: "button", class: "quiet", onclick: () => showFolder("") }, listing.root)];
  parts.forEach((part, index) => links.push("/", h("button", { type: "button", class: "quiet", onclick: () => showFolder(parts.slice(0, index + 1).join("/")) }, part)));
  $("crumbs").replaceChildren(...links);
}

function card(entry) {
  const name = baseName(entry.name);
  if (entry.kind === "folder") {
    return h("li", { class: "card" }, h("button", { type: "button", onclick: () => showFolder(entry.name) },
      h("span", { class: "thumb folder", "aria-hidden": "true" }, "▣"), h("span", { class: "text" }, h("span", { class: "name" }, name), h("span", { class: "muted" }, "folder"))));
  }
  const picture = h("img", { class: "thumb", alt: "", loading: "lazy", src: `api/frame?${query({ path: entry.name, side: 320, v: entry.modified })}` });
  picture.onerror = () => picture.replaceWith(h("span", { class: "thumb unread" }, "cannot be read"));
  const box = h("input", { type: "checkbox", "aria-label": `Select ${name}`, onchange: () => { box.checked ? selected.add(entry.name) : selected.delete(entry.name); showSelected(); } });
  box.checked = selected.has(entry.name);
  return h("li", { class: "card" },
    h("button", { type: "button", "data-film": entry.name, onclick: () => openFilm([entry.name]) }, picture,
      h("span", { class: "text" }, h("span", { class: "name" }, name), h("span", { class: "muted" }, `${entry.kind}, ${size(entry.size)}`))),
    h("span", { class: "pick" }, box));
}

function notice(unfinished) {
  const resume = saying(async () => {
    await post("jobs", { resume: unfinished.output, source: unfinished.source });
    location.hash = "queue";
  });
  return h("p", { class: "notice" }, h("span", {}, `${baseName(unfinished.output)} was begun and is not finished.`),
    h("button", { type: "button", onclick: resume }, "Resume it"));
}

function showSelected() {
  $("use-selected").hidden = !selected.size;
  $("use-selected").textContent = selected.size === 1 ? "Choose a look for it" : `One look for ${selected.size} files`;
}

async function dropped(event) {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const files = [];
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  for (const entry of entries) await gather(entry, files);
  if (!files.length) say("no files were dropped", true);
  const field = event.target.closest("input[list=folder-files]");
  if (field && files.length) return uploadInto(field, files[0]);
  await uploadAll(files);
}

// A file that was dropped on a field that takes one, such as a mask.
async function uploadInto(field, [file, name]) {
  const stored = await upload(file, uploadedAs(name));
  if (!stored) return; // it was cancelled
  field.value = stored;
  field.dispatchEvent(new Event("change"));
  await showFolder();
}

async function gather(entry, files) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    files.push([file, file.name]);
    return;
  }
  const reader = entry.createReader();
  for (;;) { // of a folder, a hundred at a time
    const inside = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!inside.length) return;
    for (const each of inside) await gather(each, files);
  }
}

const uploadedAs = (name) => (folder ? `${folder}/${name}` : name);

async function uploadAll(files) {
  location.hash = "files";
  const names = [];
  for (const [file, name] of files) {
    const stored = await saying(upload)(file, uploadedAs(name));
    if (stored) names.push(stored);
  }
  $("file-input").value = "";
  await showFolder();
  if (names.length === 1 && files.length === 1) openFilm(names);
  else if (names.length) say(`${names.length} files have arrived`);
}

function upload(file, path) {
  const bar = h("progress", { max: file.size || 1, value: 0, "aria-label": `Progress of ${file.name}` });
  const request = new XMLHttpRequest();
  const line = h("li", {}, h("div", { class: "row spread" }, `${file.name}, ${size(file.size)}`,
    h("button", { type: "button", class: "quiet", onclick: () => request.abort() }, "Cancel")), bar);
  $("uploads").append(line);
  return new Promise((resolve, reject) => {
    request.open("PUT", `api/upload?${query({ path })}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => { bar.value = event.loaded; };
    request.onload = () => (request.status === 200 ? resolve(JSON.parse(request.responseText).name) : reject(new Error(request.responseText.trim())));
    request.onerror = () => reject(new Error(`${file.name} did not arrive`));
    request.onabort = () => resolve(undefined);
    request.onloadend = () => line.remove();
    request.send(file);
  });
}
