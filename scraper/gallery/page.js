// Behave like a results page: late previews, batches on scroll, a control for more, an end.
"use strict";
window.google = { ldi: {}, pim: {} };
const grid = document.querySelector("[data-id=mosaic]");
const columns = [...grid.querySelectorAll("[data-l]")];
const more = document.querySelector("[jsname=oHxHid]");
const again = document.querySelector("[jsname=a79Lwf]");
const ending = document.querySelector("[role=status]");
const longest = Number(grid.dataset.delay);
const total = Number(grid.dataset.total);
const automatic = Number(grid.dataset.automatic);
const waiting = new Set();
let shown = Number(grid.dataset.start);
let left = automatic;
let busy = false;

const later = (action) => setTimeout(action, longest / 6 + Math.random() * longest * 5 / 6);

function _setImagesSrc(ids, src) {
  for (const id of ids) later(() => { document.getElementById(id).src = src; });
}

function watchDeferred(root) {
  for (const img of root.querySelectorAll("img[data-deferred]")) waiting.add(img);
}

function loadInView() {
  for (const img of waiting) {
    const box = img.getBoundingClientRect();
    if (box.bottom < 0 || box.top > window.innerHeight) continue;
    waiting.delete(img);
    later(() => { img.src = google.ldi[img.id]; });
  }
}

function nearBottom() {
  return window.scrollY + window.innerHeight > document.documentElement.scrollHeight - 400;
}

function settle() {
  loadInView();
  more.hidden = shown >= total || left > 0;
  if (shown >= total) ending.textContent = grid.dataset.emptymessage;
  else if (left > 0 && nearBottom()) loadBatch();
}

async function loadBatch() {
  if (busy || shown >= total) return;
  busy = true;
  more.hidden = again.hidden = true;
  try {
    const query = new URLSearchParams({ q: grid.dataset.q, start: shown, eid: grid.dataset.eid });
    const batch = await (await fetch(`/more?${query}`)).json();
    Object.assign(google.ldi, batch.ldi);
    batch.items.forEach((html, i) => {
      const column = columns[(shown + i) % columns.length];
      column.insertAdjacentHTML("beforeend", html);
      watchDeferred(column.lastElementChild);
    });
    shown += batch.items.length;
    left -= 1;
  } catch {
    left = 0;
    again.hidden = false;
    return;
  } finally {
    busy = false;
  }
  settle();
}

for (const control of [more, again]) {
  control.addEventListener("click", () => { left = automatic + 1; loadBatch(); });
}
window.addEventListener("resize", loadInView);
window.addEventListener("scroll", () => {
  loadInView();
  if (left > 0 && nearBottom()) loadBatch();
});
window.addEventListener("load", () => { watchDeferred(grid); settle(); });
