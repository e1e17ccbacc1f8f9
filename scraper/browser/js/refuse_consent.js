// Refuse consent: never accept. Return what was clicked, or "" when no way to refuse is known.
//
// Two forms ask; the one whose `set_eom` is "true" refuses, whatever language its button speaks.
const press = (element) => {
  element.click();
  return clean(element.innerText || element.value || element.id) || element.localName;
};
const isOn = (element) => element.value === "true";

function formButton() {
  const buttons = [...document.querySelectorAll('button[name="set_eom"], input[type=submit][name="set_eom"]')];
  const signed = buttons.find(isOn);
  if (signed || buttons.length) return signed;
  const hidden = [...document.querySelectorAll('form input[name="set_eom"]')].find(isOn);
  return hidden && hidden.form.querySelector("button:not([type=button]), input[type=submit]");
}

function knownControl() {
  const all = settings.refusalControls.flatMap((one) => [...document.querySelectorAll(one)]);
  return all.find(isVisible);
}

function saidControl() {
  const texts = new Set(settings.refusalTexts.map((text) => text.toLowerCase()));
  const all = [...document.querySelectorAll("button, [role=button], input[type=submit]")];
  return all.find((one) => texts.has(clean(one.innerText || one.value).toLowerCase()) && isVisible(one));
}

const control = formButton() || knownControl() || saidControl();
return control ? press(control) : "";
