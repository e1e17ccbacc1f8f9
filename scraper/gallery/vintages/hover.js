// Give a result's link its address only when the pointer comes over it.
document.addEventListener("mouseover", (event) => {
  const link = event.target.closest("[data-lpage] a:not([href])");
  if (!link) return;
  const { docid, refDocid, lpage } = link.closest("[data-lpage]").dataset;
  const query = new URLSearchParams({ q: "x", imgurl: `${lpage}.jpg`, imgrefurl: lpage, docid, tbnid: refDocid });
  link.href = `/imgres?${query}`;
});
