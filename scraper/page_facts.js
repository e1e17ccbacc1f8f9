// Report what tells results, consent, a block, an honest empty page and an unknown layout apart.
const [strategies] = arguments;
const big = (img) => img.naturalWidth >= 60 && img.naturalHeight >= 60;
return {
  url: location.href,
  title: document.title,
  items: Math.max(0, ...strategies.map((s) => document.querySelectorAll(s.item).length)),
  captcha: Boolean(document.querySelector("form#captcha-form, .g-recaptcha, #recaptcha")),
  consent: document.querySelectorAll('form[action*="//consent."]').length > 0,
  javascript_wall: Boolean(
    document.querySelector('iframe[src*="enablejs"]') ||
      [...document.querySelectorAll("noscript")].some((n) => n.textContent.includes("enablejs")),
  ),
  big_pictures: [...document.images].filter(big).length,
  search_box: Boolean(document.querySelector('[name="q"]')),
};
