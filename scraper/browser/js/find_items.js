// Find result items and their thumbnails; score each strategy by the valid thumbnails it finds.
//
// Goes in front of the scripts that look at a page; their first argument holds `strategies`.
const [settings] = arguments;
const memory = (window.__sceneset ??= {
  sent: new Set(), waiting: new Map(), ids: new WeakMap(), owners: new Map(), clicks: new Map(), path: null,
});
const LEAST = 60;
const ALIKE = 3;
const SEEN = 5;

// A lone surrogate in a title would make the driver refuse the whole answer.
const clean = (text) => (text && text.toWellFormed ? text.toWellFormed() : text || "").trim();
const first = (values) => values.find((value) => value) || "";

function absolute(address) {
  try {
    return address ? new URL(address, document.baseURI).href : "";
  } catch {
    return "";
  }
}

function parameter(address, name) {
  try {
    return new URL(address, document.baseURI).searchParams.get(name) || "";
  } catch {
    return "";
  }
}

const source = (img) => img.currentSrc || img.src || "";

// The page's own map from a thumbnail to its address.
function mapped(img) {
  const g = window.google || {};
  const address = first([(g.ldi || {})[img.id], (g.pim || {})[img.id], img.dataset.src]);
  return address.startsWith("data:image/gif") ? "" : absolute(address);
}

// Blank pictures stand in for thumbnails that come later.
function isBlank(img) {
  const src = source(img);
  if (!src || src.startsWith("data:image/svg")) return true;
  const isDot = img.naturalWidth > 0 && img.naturalWidth <= 2 && img.naturalHeight <= 2;
  if (src.startsWith("data:")) return isDot || (src.startsWith("data:image/gif") && src.length < 200);
  return isDot && mapped(img) !== "" && mapped(img) !== src;
}

const isWaiting = (img) => isBlank(img) || !img.complete;

const isLoaded = (img) => !isBlank(img) && img.naturalWidth >= LEAST && img.naturalHeight >= LEAST;

function isRoomy(img) {
  const box = img.getBoundingClientRect();
  return box.width >= LEAST && box.height >= LEAST;
}

const isAbsent = (img) => isWaiting(img) || img.naturalWidth === 0;
const isBig = (img) => isLoaded(img) || (isAbsent(img) && (isRoomy(img) || mapped(img) !== ""));

// Elements are also hidden by shrinking them, or what they stand in, and by moving them off the page.
function hasRoom(element) {
  const box = element.getBoundingClientRect();
  return box.width >= SEEN && box.height >= SEEN && box.right + scrollX > 0 && box.bottom + scrollY > 0;
}

function isVisible(element) {
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
  for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
    if (getComputedStyle(one).overflow !== "visible" && !hasRoom(one)) return false;
  }
  return hasRoom(element);
}

// The first picture outside the caption's link that is no icon.
function thumbnail(item) {
  const all = [...item.querySelectorAll("img")];
  const outside = all.filter((img) => !img.closest("a[target=_blank]"));
  const able = outside.length ? outside : all;
  return able.length > 1 ? able.find(isBig) || able[0] : able[0];
}

function innermost(selector) {
  return [...document.querySelectorAll(selector)].filter((one) => !one.querySelector(selector));
}

function outbound(element) {
  const links = element.matches("a[href]") ? [element] : [...element.querySelectorAll("a[href]")];
  const away = links.filter((link) => {
    if (!link.protocol.startsWith("http") || link.pathname === "/imgres") return false;
    return link.target === "_blank" || link.host !== location.host;
  });
  return [...new Set(away.map((link) => link.href))];
}

const tagPath = (element) => {
  const tags = [];
  for (let one = element; one; one = one.parentElement) tags.push(one.localName);
  return tags.join("<");
};

// The smallest element around a picture that holds an outbound link, and only this picture.
const itemOf = new WeakMap();
function itemAround(img, root) {
  if (itemOf.has(img)) return itemOf.get(img);
  let found = null;
  for (let one = img.parentElement; one && one !== root; one = one.parentElement) {
    if ([...one.querySelectorAll("img")].some((other) => other !== img && isBig(other))) break;
    const links = outbound(one);
    if (links.length > 1) break;
    if (links.length === 1) {
      found = one;
      break;
    }
  }
  if (found) itemOf.set(img, found);
  return found;
}

function alike(selector) {
  const groups = new Map();
  for (const root of document.querySelectorAll(selector)) {
    if (root.parentElement.closest(selector)) continue;
    for (const img of root.querySelectorAll("img")) {
      const item = isBig(img) && itemAround(img, root);
      if (!item) continue;
      const path = tagPath(item);
      groups.set(path, (groups.get(path) || new Set()).add(item));
    }
  }
  if (memory.path) return [...(groups.get(memory.path) || [])];
  const [path, items] = [...groups].reduce((a, b) => (b[1].size > a[1].size ? b : a), ["", new Set()]);
  return items.size >= ALIKE ? Object.assign([...items], { path }) : [];
}

function linked(selector) {
  return [...document.querySelectorAll(selector)].filter((link) => link.querySelector("img"));
}

function findItems(strategy) {
  if (strategy.kind === "structure") return alike(strategy.item);
  if (strategy.kind === "links") return linked(strategy.item);
  return innermost(strategy.item);
}

// What a JSON attribute says of an item.
function recordOf(item, strategy) {
  if (strategy.kind !== "record") return {};
  let record = {};
  try {
    record = JSON.parse(item.getAttribute(strategy.id_attribute)) || {};
  } catch {
    return {};
  }
  const read = (name) => clean(String(first((strategy.keys[name] || []).map((key) => record[key]))));
  return { id: read("id"), page: read("page"), title: read("title"), thumb: absolute(read("thumb")) };
}

// The element that holds an item's picture: the item, else what stands around it alone.
function frameOf(item, strategy) {
  if (strategy.kind !== "record" || item.querySelector("img")) return item;
  let frame = item;
  while (frame.parentElement && frame.parentElement.querySelectorAll(strategy.item).length === 1) {
    frame = frame.parentElement;
    if (frame.querySelector("img")) break;
  }
  return frame;
}

// Without a result id: the thumbnail's own, the link's, else page and title, numbered when several
// items that stand in the page have the same.
function ownId(item, addresses, link, page, title) {
  if (memory.ids.has(item)) return memory.ids.get(item);
  const tbn = first(addresses.map((one) => (one.match(/[?&]q=tbn:([^&]+)/) || [])[1]));
  const named = first([tbn, parameter(link, "docid"), parameter(link, "tbnid")]);
  const id = named || unused(page ? clean(`${page} ${title}`) : first(addresses));
  if (id) memory.ids.set(item, id);
  if (id && !named) memory.owners.set(id, item);
  return id;
}

function unused(name) {
  let id = name;
  const isTaken = () => memory.owners.has(id) && memory.owners.get(id).isConnected;
  for (let number = 2; name && isTaken(); number += 1) id = `${name} ${number}`;
  return id;
}

function imgresOf(item) {
  const link = item.closest('a[href*="/imgres?"]') || item.querySelector('a[href*="/imgres?"]');
  return link ? link.href : "";
}

function idOf(item, strategy, given) {
  if (strategy.kind === "attributes") return clean(item.getAttribute(strategy.id_attribute));
  return given.id || "";
}

function describe(item, strategy) {
  const given = recordOf(item, strategy);
  const img = thumbnail(frameOf(item, strategy));
  if (!img) return null;
  const waiting = isWaiting(img);
  const shown = isBlank(img) ? "" : source(img);
  const address = first([mapped(img), given.thumb]);
  const link = item.querySelector("a[target=_blank][href]");
  const imgres = imgresOf(item);
  const away = strategy.kind === "structure" ? outbound(item)[0] : link && link.href;
  const page = clean(first([item.getAttribute("data-lpage"), given.page, parameter(imgres, "imgrefurl"), away]));
  const title = clean(first([given.title, img.alt, link && link.title]));
  const addresses = [address, shown].filter((one) => one && one.startsWith("http"));
  const id = strategy.last_resort ? ownId(item, addresses, imgres, page, title) : idOf(item, strategy, given);
  const site = clean(((link && link.querySelector("span")) || {}).textContent);
  const rank = Number(item.getAttribute("data-ri") ?? NaN);
  return { id, page, title, site, src: first([shown, address]), waiting, rank, element: img };
}

function score(strategy) {
  const items = findItems(strategy);
  const records = items.map((item) => describe(item, strategy)).filter(Boolean);
  const valid = records.filter((one) => (one.waiting ? one.src : isLoaded(one.element)));
  return { strategy, items: items.length, shown: records.length, valid: valid.length, path: items.path };
}

// A last resort wins only when the others find less than half of what it finds.
function chooseStrategy() {
  const scores = settings.strategies.map(score);
  const better = (a, b) => (b.valid > a.valid || (b.valid === a.valid && b.shown > a.shown) ? b : a);
  const none = { strategy: null, items: 0, shown: 0, valid: 0 };
  const best = scores.filter((one) => !one.strategy.last_resort).reduce(better, none);
  const last = scores.filter((one) => one.strategy.last_resort).reduce(better, none);
  const won = best.shown > 0 && 2 * best.valid >= last.valid ? best : better(best, last);
  return won.strategy && won.shown > 0 ? won : null;
}
