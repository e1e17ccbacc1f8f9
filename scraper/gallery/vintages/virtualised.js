// Take results far out of view from the document: spacers of the same size keep their places.
const REACH = 1.5;
const BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
const away = new Map();
const lazy = (item) => item.querySelectorAll("img[data-deferred]");

// An inline picture may come after its element has left.
_setImagesSrc = (ids, src) => {
  for (const img of ids.map((id) => document.getElementById(id))) later(() => { img.src = src; });
};

function isFar(box) {
  const reach = REACH * window.innerHeight;
  return box.bottom < -reach || box.top > window.innerHeight + reach;
}

function takeAway(item, box) {
  const spacer = document.createElement("div");
  spacer.style.cssText = `flex:none;width:${box.width}px;height:${box.height}px;order:${item.style.order || 0}`;
  away.set(spacer, item);
  for (const img of lazy(item)) waiting.delete(img);
  item.replaceWith(spacer);
}

// A lazy picture starts anew.
function bringBack(spacer) {
  const item = away.get(spacer);
  away.delete(spacer);
  for (const img of lazy(item)) {
    if (img.matches("[data-src]")) img.removeAttribute("src");
    else if (google.ldi[img.id]) img.src = BLANK;
    else continue;
    waiting.add(img);
  }
  spacer.replaceWith(item);
}

function tidy() {
  const places = columns.flatMap((column) => [...column.children]);
  for (const [place, box] of places.map((one) => [one, one.getBoundingClientRect()])) {
    if (away.has(place) && !isFar(box)) bringBack(place);
    else if (!away.has(place) && isFar(box)) takeAway(place, box);
  }
  loadInView();
}

const settleAll = settle;
settle = () => { settleAll(); tidy(); };
window.addEventListener("scroll", tidy);
