// Report what tells results, consent, a block, an honest empty page and an unknown layout apart.
const roots = [...document.querySelectorAll("[role=main], main, #main, #search, #rso")];
const said = (element) => (element.innerText || "").trim();
const refusals = settings.refusalControls.flatMap((one) => [...document.querySelectorAll(one)]);
const asksConsent = document.querySelector('form[action*="//consent."], form [name="set_eom"]');
const items = Math.max(0, ...settings.strategies.map((one) => score(one).items));
return {
  url: location.href,
  title: document.title,
  items,
  captcha: Boolean(document.querySelector("form#captcha-form, .g-recaptcha, #recaptcha")),
  consent: Boolean(asksConsent) || refusals.some(isVisible),
  javascript_wall: Boolean(
    document.querySelector('iframe[src*="enablejs"]') ||
      [...document.querySelectorAll("noscript")].some((n) => n.textContent.includes("enablejs")),
  ),
  big_pictures: [...document.images].filter((img) => isLoaded(img) || isRoomy(img)).length,
  search_box: Boolean(document.querySelector('[name="q"]')),
  empty_main: roots.length > 0 && roots.every((root) => said(root) === ""),
};
