// Send chosen, dropped or pasted pictures to /v1/classify and show what comes back.
"use strict";

const AT_ONCE = 2;
const UNREACHABLE = "The server cannot be reached.";
const at = (id) => document.getElementById(id);
const waiting = [];
let working = 0;
let key = "";
let asking = null; // a promise while the server is asked what it serves
let model = null; // until the server has said what it serves

function headers(more) {
  return key ? { ...more, "X-API-Key": key } : { ...more };
}

function say(words) {
  at("status").textContent = words;
}

function askForKey() {
  at("key-form").hidden = false;
  say("Give the key, then the pictures are sent.");
  at("key").focus();
}

async function showModel() {
  const answer = await fetch("/v1/model", { headers: headers() });
  if (answer.status === 401) return askForKey();
  if (!answer.ok) throw new Error(answer.status);
  at("key-form").hidden = true;
  model = await answer.json();
  at("model").textContent = `${model.name}, version ${model.version}, knows ${model.class_names.length} classes.`
    + " Pictures go to this server only, and are not kept.";
  next();
}

function start() {
  asking ??= showModel().catch(() => {
    say(UNREACHABLE);
    for (const { card, file } of waiting.splice(0)) refuse(card, file, UNREACHABLE);
  }).finally(() => { asking = null; });
}

function typeOf(file) {
  return file.type || "application/octet-stream";
}

function curlLine(file) {
  const name = `'${file.name.replaceAll("'", "'\\''")}'`;
  const ask = key ? ' -H "X-API-Key: $KEY"' : "";
  return `curl${ask} -H 'Content-Type: ${typeOf(file)}' --data-binary @${name}`
    + ` '${location.origin}/v1/classify?top=3&tags=1'`;
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // where the clipboard needs https
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  say(done ? "Copied." : text);
}

// Show a picture and let go of its bytes; the element keeps what it shows.
function put(image, blob) {
  const shown = new Promise((done, failed) => {
    image.onload = done;
    image.onerror = () => failed(new Error("The picture cannot be shown."));
  });
  image.src = URL.createObjectURL(blob);
  return shown.finally(() => URL.revokeObjectURL(image.src));
}

// What a refusal says of itself; a proxy's own page says nothing that helps here.
async function whyNot(answer) {
  const unsaid = `The server answered ${answer.status}.`;
  return answer.json().then((problem) => problem.detail || unsaid).catch(() => unsaid);
}

function newCard(file) {
  const card = at("card").content.cloneNode(true).firstElementChild;
  const picture = card.querySelector(".picture");
  put(picture, file).catch(() => { picture.hidden = true; });
  card.querySelector("h2").textContent = file.name;
  const button = card.querySelector(".curl");
  button.setAttribute("aria-label", `Copy as curl: ${file.name}`);
  button.onclick = () => copy(curlLine(file), button);
  at("results").prepend(card);
  return card;
}

async function drawMap(image, file, label) {
  say(`Drawing where ${label} is seen in ${file.name}.`);
  const answer = await post(`/v1/explain?label=${encodeURIComponent(label)}`, file);
  if (!answer.ok) throw new Error(await whyNot(answer));
  image.alt = `Heat map over ${file.name}: pale where ${label} is seen`;
  await put(image, await answer.blob());
}

function offerMap(card, file, label) {
  const button = card.querySelector(".heat");
  const [picture, map] = card.querySelectorAll(".seen img");
  let drawn = null; // a promise, once it was asked for
  button.hidden = !model.explain;
  button.setAttribute("aria-label", `Heat map: ${file.name}`);
  button.onclick = async () => {
    const shown = button.getAttribute("aria-pressed") === "true";
    try {
      await (drawn ??= drawMap(map, file, label));
    } catch (error) {
      drawn = null;
      return say(`${file.name}: ${error instanceof TypeError ? UNREACHABLE : error.message}`);
    }
    button.setAttribute("aria-pressed", String(!shown));
    picture.hidden = !shown;
    map.hidden = shown;
    say(shown ? `${file.name} without the map.` : `The map shows where ${label} is seen.`);
  };
}

function labelLine({ label, score }) {
  const line = at("label").content.cloneNode(true).firstElementChild;
  const percent = `${(100 * score).toFixed(1)} %`;
  line.querySelector(".name").textContent = label;
  line.querySelector(".share").textContent = percent;
  line.querySelector(".bar span").style.width = `${100 * score}%`;
  return line;
}

function tagOf(text) {
  const tag = document.createElement("span");
  tag.textContent = text;
  return tag;
}

function offerFeedback(card, file) {
  const form = card.querySelector(".feedback");
  const names = model.class_names.map((name) => new Option(name));
  form.querySelector("select").replaceChildren(new Option("(choose a class)", ""), ...names);
  form.querySelector("button").setAttribute("aria-label", `Send the right class of ${file.name}`);
  form.hidden = !model.feedback;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const label = form.querySelector("select").value;
    const answer = await post(`/v1/feedback?label=${encodeURIComponent(label)}`, file).catch(() => null);
    const done = Boolean(answer && answer.ok);
    form.hidden = done;
    say(done ? `Noted: ${file.name} shows ${label}.` : "That could not be noted.");
  };
}

function show(card, file, found) {
  offerFeedback(card, file);
  card.querySelector(".tags").replaceChildren("Tags: ", ...found.tags.map(tagOf));
  card.querySelector(".labels").replaceChildren(...found.labels.map(labelLine));
  const best = found.labels[0];
  offerMap(card, file, best.label);
  say(`${file.name}: ${best.label}, ${(100 * best.score).toFixed(1)} %`);
}

function refuse(card, file, words) {
  const error = card.querySelector(".error");
  error.hidden = false;
  error.textContent = words;
  say(`${file.name}: ${words}`);
}

function post(address, file) {
  return fetch(address, { method: "POST", headers: headers({ "Content-Type": typeOf(file) }), body: file });
}

async function send({ card, file }) {
  const answer = await post("/v1/classify?top=3&tags=1", file);
  if (answer.ok) return show(card, file, await answer.json());
  if (answer.status !== 401) return refuse(card, file, await whyNot(answer));
  waiting.unshift({ card, file });
  askForKey();
}

async function next() {
  if (working >= AT_ONCE || !waiting.length || !at("key-form").hidden) return;
  if (!model) return start();
  const one = waiting.shift();
  working += 1;
  try {
    await send(one);
  } catch {
    refuse(one.card, one.file, UNREACHABLE);
  }
  working -= 1;
  next();
}

function take(files) {
  for (const file of files) {
    waiting.push({ card: newCard(file), file });
    next();
  }
}

for (const id of ["files", "camera"]) {
  at(id).onchange = (event) => {
    take(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  };
}
at("key-form").onsubmit = (event) => {
  event.preventDefault();
  key = at("key").value;
  start();
};
document.onpaste = (event) => take(event.clipboardData.files);
document.ondragover = (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
};
document.ondragleave = () => at("drop").classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  take(event.dataTransfer.files);
};
start();
