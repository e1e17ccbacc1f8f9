// Scroll one stretch of a results page and report what came into reach.
//
// One call per stretch: a script that scrolls and reads inside the page is 17 to 98 times faster
// than a command per element, and two animation frames per step let lazy pictures start.
// arguments: settings {strategies, more, endTexts, batch, milliseconds}, callback.
const [settings, done] = arguments;
const memory = (window.__sceneset ??= { sent: new Map(), clicks: 0, strategy: null });
const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const deadline = performance.now() + settings.milliseconds;
const isPlaceholder = (src) => !src || (src.startsWith("data:image/gif") && src.length < 200);

// A lone surrogate in a title would make the driver refuse the whole answer.
const clean = (text) => (text && text.toWellFormed ? text.toWellFormed() : text || "");

function findItems(strategy) {
  const all = [...document.querySelectorAll(strategy.item)];
  return all.filter((element) => !element.querySelector(strategy.item));
}

function thumbnail(item) {
  return [...item.querySelectorAll("img")].find((img) => !img.closest("a[target=_blank]"));
}

function chooseStrategy() {
  let best = null;
  for (const strategy of settings.strategies) {
    const items = findItems(strategy).filter(thumbnail).length;
    if (items > 0 && (best === null || items > best.items)) best = { strategy, items };
  }
  return best && best.strategy;
}

function mapped(img) {
  const g = window.google || {};
  return (g.ldi && g.ldi[img.id]) || (g.pim && g.pim[img.id]) || img.dataset.src || "";
}

function describe(item, strategy) {
  const img = thumbnail(item);
  if (!img) return null;
  const waiting = isPlaceholder(img.currentSrc || img.src) || !img.complete;
  const link = item.querySelector("a[target=_blank]");
  const page = item.getAttribute("data-lpage") || (link && link.href) || "";
  const box = item.getBoundingClientRect();
  return {
    id: clean(item.getAttribute(strategy.id)),
    page: clean(page),
    title: clean(img.alt),
    site: clean(((link && link.querySelector("span")) || {}).textContent),
    src: clean(waiting ? mapped(img) : img.currentSrc || img.src),
    waiting,
    top: box.top + window.scrollY,
    left: box.left,
    element: img,
  };
}

function visible(element) {
  return element && element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden";
}

function collect(strategy, found) {
  for (const item of findItems(strategy)) {
    const record = describe(item, strategy);
    if (!record || !record.id) continue;
    const before = found.get(record.id);
    if (memory.sent.get(record.id) || (before && !before.waiting)) continue;
    found.set(record.id, record);
  }
}

const settled = (found) => [...found.values()].filter((record) => !record.waiting).length;
const atBottom = () =>
  window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;

async function scrollOn(strategy, found) {
  while (performance.now() < deadline && settled(found) < settings.batch && !atBottom()) {
    window.scrollBy(0, Math.round(window.innerHeight * 0.8));
    await frame();
    await frame();
    collect(strategy, found);
  }
}

async function waitForPending(strategy, found) {
  const pending = () => [...found.values()].filter((record) => record.waiting);
  const until = Math.min(deadline, performance.now() + settings.patience);
  while (pending().length && performance.now() < until) {
    await sleep(50);
    collect(strategy, found);
  }
  for (const record of pending()) {
    if (performance.now() >= deadline || !record.element.isConnected) continue;
    record.element.scrollIntoView({ block: "center" });
    await frame();
    await frame();
  }
  if (pending().length) await sleep(Math.min(settings.patience, 400));
  collect(strategy, found);
}

async function clickMore() {
  const control = settings.more
    .flatMap((selector) => [...document.querySelectorAll(selector)])
    .find(visible);
  if (!control) return false;
  memory.clicks += 1;
  control.click();
  return true;
}

async function growAtBottom() {
  const height = document.documentElement.scrollHeight;
  window.scrollTo(0, height);
  const clicked = await clickMore();
  // A shown end is trusted after a short wait; without one, a late batch gets all our patience.
  const patience = endShown() && !clicked ? settings.patience / 4 : settings.patience;
  const until = Math.min(deadline, performance.now() + patience);
  while (performance.now() < until) {
    if (document.documentElement.scrollHeight > height) return { clicked, grew: true };
    await sleep(40);
  }
  return { clicked, grew: false };
}

function endShown() {
  const text = document.body ? document.body.innerText : "";
  return settings.endTexts.some((end) => text.includes(end));
}

async function run() {
  memory.strategy ??= chooseStrategy();
  const strategy = memory.strategy;
  if (!strategy) {
    return { records: [], unloaded: [], bottom: true, grew: false, clicked: false, end: endShown(), strategy: "" };
  }
  const found = new Map();
  collect(strategy, found);
  await scrollOn(strategy, found);
  const bottom = atBottom();
  let change = { clicked: false, grew: false };
  if (bottom) change = await growAtBottom();
  // Thumbnails below the fold load when they are scrolled to; only at the end are they late.
  if (bottom && !change.grew) await waitForPending(strategy, found);
  collect(strategy, found);
  const ready = [...found.values()].filter((record) => !record.waiting);
  ready.sort((a, b) => a.top - b.top || a.left - b.left);
  for (const record of ready) memory.sent.set(record.id, true);
  const pending = [...found.values()].filter((record) => record.waiting);
  const plain = ({ element, top, left, ...record }) => record;
  return {
    records: ready.map(plain),
    unloaded: pending.map(plain),
    bottom,
    grew: change.grew,
    clicked: change.clicked,
    end: endShown(),
    strategy: strategy.name,
  };
}

run().then(done, (error) => done({ error: String(error) }));
