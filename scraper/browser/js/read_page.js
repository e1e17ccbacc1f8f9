// Scroll a results page one step and report what came into reach.
//
// One call per step: a script that scrolls and reads inside the page is far faster
// than a command per element, and two animation frames per step let lazy pictures start.
// arguments: settings {strategies, more, endTexts, endAttributes, batch, milliseconds, patience,
// busy}, callback.
const done = arguments[1];
const frame = () => new Promise((resolve) => requestAnimationFrame(() => resolve()));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const deadline = performance.now() + settings.milliseconds;
const VAIN_CLICKS = 2;
const VAIN_VISITS = 2;
const POLL_MS = 40;

function chosen() {
  const known = settings.strategies.find((one) => one.name === memory.strategy);
  if (known && findItems(known).length > 0) return known;
  memory.path = null;
  const won = chooseStrategy();
  if (!won) return known;
  memory.strategy = won.strategy.name;
  memory.path = won.path;
  return won.strategy;
}

// Some pages scroll a box of their own.
function scroller(item) {
  for (let one = item && item.parentElement; one && one !== document.body; one = one.parentElement) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(one).overflowY);
    if (scrolls && one.scrollHeight > one.clientHeight + 50 && one.clientHeight > innerHeight / 2) return one;
  }
  return document.scrollingElement || document.documentElement;
}

class ScrollStep {
  constructor(strategy) {
    this.strategy = strategy;
    this.view = scroller(findItems(strategy)[0]);
    this.ready = new Map();
  }

  get top() {
    return this.view === document.scrollingElement ? 0 : this.view.getBoundingClientRect().top;
  }

  get atBottom() {
    return this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - 2;
  }

  get known() {
    return memory.sent.size + memory.waiting.size + this.ready.size;
  }

  get isTimeLeft() {
    return performance.now() < deadline;
  }

  scrollTo(top) {
    this.view.scrollTo({ top, behavior: "instant" });
  }

  collect() {
    // A page that takes items out again shows each thumbnail only while it is near the window.
    memory.virtual ||= (memory.items || []).some((item) => !item.isConnected);
    memory.items = findItems(this.strategy);
    for (const item of memory.items) {
      const early = this.strategy.kind === "attributes" && idOf(item, this.strategy, {});
      if (early && (memory.sent.has(early) || this.ready.has(early))) continue;
      const record = describe(item, this.strategy);
      if (!record || !record.id || memory.sent.has(record.id) || this.ready.has(record.id)) continue;
      this.take(record);
    }
  }

  take(record) {
    const box = record.element.getBoundingClientRect();
    record.top = Math.round(box.top - this.top + this.view.scrollTop);
    record.left = Math.round(box.left);
    const before = memory.waiting.get(record.id);
    memory.waiting.delete(record.id);
    if (!record.waiting) this.ready.set(record.id, record);
    else memory.waiting.set(record.id, { ...record, waited: before ? before.waited : 0 });
  }

  isInView(record) {
    if (!record.element.isConnected) return false;
    const box = record.element.getBoundingClientRect();
    return box.bottom > this.top && box.top < this.top + this.view.clientHeight;
  }

  get hopeful() {
    return [...memory.waiting.values()].filter((one) => one.waited < settings.patience);
  }

  // Wait for the thumbnails in view: each for our patience in all, not counting the time in which
  // others came, because a browser asks one server for a few at a time.
  async settle() {
    let before = performance.now();
    let late = this.hopeful.filter((one) => this.isInView(one));
    while (late.length && this.isTimeLeft) {
      const came = this.ready.size;
      await sleep(POLL_MS);
      this.collect();
      const now = performance.now();
      late = this.hopeful.filter((one) => this.isInView(one));
      if (this.ready.size === came) for (const record of late) record.waited += now - before;
      before = now;
    }
  }

  async scrollOn() {
    this.collect();
    if (memory.virtual) await this.settle();
    while (this.isTimeLeft && this.ready.size < settings.batch && !this.atBottom) {
      this.scrollTo(this.view.scrollTop + Math.round(this.view.clientHeight * 0.8));
      await frame();
      await frame();
      this.collect();
      if (memory.virtual) await this.settle();
    }
  }

  // Go back to thumbnails that still wait, where they were last seen. When that is in vain again
  // and again, those whose address is known are left to a request.
  async revisit() {
    await this.settle();
    let vain = 0;
    while (this.isTimeLeft && this.hopeful.length) {
      const before = this.ready.size;
      const [record] = this.hopeful.sort((a, b) => a.top - b.top);
      this.scrollTo(record.top - this.view.clientHeight / 3);
      await frame();
      await frame();
      this.collect();
      const still = memory.waiting.get(record.id);
      if (still && !this.isInView(still)) still.waited += settings.patience / 2;
      await this.settle();
      vain = this.ready.size > before ? 0 : vain + 1;
      if (vain < VAIN_VISITS) continue;
      for (const one of this.hopeful) one.waited = one.src ? settings.patience : one.waited;
    }
    this.scrollTo(this.view.scrollHeight);
  }

  async growAtBottom() {
    const [height, known] = [this.view.scrollHeight, this.known];
    this.scrollTo(height);
    const ended = isEndShown();
    const control = settings.busy ? null : namedControl() || (ended ? null : buttonAfter(memory.items.at(-1)));
    if (control) press(control);
    // A shown end is trusted after a short wait; without one, a late batch gets all our patience.
    const patience = ended && !control && !settings.busy ? settings.patience / 4 : settings.patience;
    const until = Math.min(deadline, performance.now() + patience);
    let grew = false;
    while (!grew && performance.now() < until) {
      await sleep(POLL_MS);
      if (findItems(this.strategy).length !== memory.items.length) this.collect();
      grew = this.view.scrollHeight > height || this.known > known;
      if (control && !isVisible(control) && namedControl()) break;
    }
    if (control && grew) memory.clicks.delete(control);
    return { clicked: Boolean(control), grew };
  }
}

function hasAddress(element) {
  const address = element.getAttribute("href");
  return address !== null && !/^(#|javascript:|$)/.test(address);
}

const ASIDE = "footer, header, nav, form, dialog, [role=dialog], [role=alertdialog], [role=navigation], [role=contentinfo], [role=menu], [aria-modal]";
const OPENS = "[aria-haspopup], [aria-expanded], [aria-controls], :disabled, [aria-disabled=true]";

function floats(element) {
  for (let one = element; one; one = one.parentElement) {
    if (["fixed", "sticky"].includes(getComputedStyle(one).position)) return true;
  }
  return false;
}

// The first button without an address that stands after the last item, and opens nothing.
function buttonAfter(last) {
  if (!last) return null;
  const all = document.querySelectorAll("button, [role=button], input[type=button], a");
  return [...all].find((one) => {
    const follows = last.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (!follows || last.contains(one) || hasAddress(one) || one.matches(OPENS) || one.closest(ASIDE)) return false;
    if (one.querySelector("img") || !clean(one.innerText || one.value)) return false;
    const below = one.getBoundingClientRect().top >= last.getBoundingClientRect().top;
    return below && isVisible(one) && (memory.clicks.get(one) || 0) < VAIN_CLICKS && !floats(one);
  });
}

function namedControl() {
  return settings.more.flatMap((one) => [...document.querySelectorAll(one)]).find(isVisible);
}

// A control may look like a link elsewhere: its handlers run, the link is not followed.
function press(control) {
  memory.clicks.set(control, (memory.clicks.get(control) || 0) + 1);
  const stay = (event) => event.preventDefault();
  window.addEventListener("click", stay, { once: true });
  control.click();
  window.removeEventListener("click", stay);
}

// Markers stand in the page before its end, and titles may say the same: only visible text outside
// the items counts.
function isEndShown() {
  const own = settings.endAttributes.flatMap((name) =>
    [...document.querySelectorAll(`[${name}]`)].map((one) => one.getAttribute(name)));
  const ends = [...settings.endTexts, ...own].map(clean).filter(Boolean);
  const items = new Set(memory.items || []);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    items.has(node) || ["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE"].includes(node.nodeName) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE && ends.some((end) => node.data.includes(end)) && isVisible(node.parentElement)) return true;
  }
  return false;
}

// Where the page numbers its items that counts, else the viewer's order.
function inOrder(records) {
  return [...records].sort((a, b) => (a.rank - b.rank) || a.top - b.top || a.left - b.left);
}

async function plain({ id, page, title, site, src }) {
  if (!src.startsWith("blob:")) return { id, page, title, site, src };
  const blob = await (await fetch(src)).blob();
  const reader = new FileReader();
  await new Promise((resolve) => {
    reader.onloadend = resolve;
    reader.readAsDataURL(blob);
  });
  return { id, page, title, site, src: String(reader.result || "") };
}

async function run() {
  const strategy = chosen();
  if (!strategy) {
    await sleep(settings.patience);
    return { records: [], unloaded: [], bottom: true, grew: false, clicked: false, end: false, retrying: false, strategy: "" };
  }
  const step = new ScrollStep(strategy);
  await step.scrollOn();
  const bottom = step.atBottom;
  const change = bottom ? await step.growAtBottom() : { clicked: false, grew: false };
  // Thumbnails below the fold load when they are scrolled to; only at the end are they late.
  if (bottom && !change.grew) await step.revisit();
  step.collect();
  const ready = inOrder(step.ready.values());
  for (const record of ready) memory.sent.add(record.id);
  return {
    records: await Promise.all(ready.map(plain)),
    unloaded: await Promise.all(inOrder(memory.waiting.values()).map(plain)),
    bottom,
    grew: change.grew,
    clicked: change.clicked,
    end: isEndShown(),
    retrying: step.hopeful.length > 0,
    strategy: strategy.name,
  };
}

run().then(done, (error) => done({ error: String((error && error.stack) || error) }));
