// Gives the widget's <cwdb-action> elements life, as a CloudWatch dashboard does: a click on the element before one asks
// for confirmation, calls the function with the parameters and all forms, and shows the answer in place or in a dialog.
"use strict";
(() => {
  const EVERY_MS = 30000;
  const host = document.getElementById("widget");
  const said = document.getElementById("widget-said");
  const question = document.getElementById("question");
  const answer = document.getElementById("answer");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = host.attachShadow({ mode: "open" });
  const popup = document.getElementById("answer-shown").attachShadow({ mode: "open" });
  let busy = false;

  const say = (text) => { said.textContent = text; };

  const offset = () => {
    const minutes = -new Date().getTimezoneOffset();
    const two = (number) => String(Math.trunc(Math.abs(number))).padStart(2, "0");
    return `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
  };

  const forms = () => Object.fromEntries(
    [...root.querySelectorAll("input[name], select[name], textarea[name]")].map((field) => [field.name, field.value]),
  );

  const context = () => ({
    dashboardName: "local console", accountId: "embedded", locale: "en", theme: dark.matches ? "dark" : "light",
    timezone: { label: "Local", offsetISO: offset() }, forms: { all: forms() }, params: {},
    width: host.clientWidth, height: host.clientHeight,
  });

  const call = async (endpoint, parameters) => {
    const response = await fetch("/widget", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ endpoint, event: { ...parameters, widgetContext: context() } }),
    });
    if (!response.ok) throw new Error(await response.text());
    const told = await response.json();
    if (told.error) throw new Error(told.error);
    return typeof told.answer === "string" ? told.answer : JSON.stringify(told.answer, null, 2);
  };

  // What CloudWatch takes out of a widget's HTML as well.
  const fill = (place, html) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    made.content.querySelectorAll("script, iframe, use, object, embed").forEach((each) => each.remove());
    for (const each of made.content.querySelectorAll("*")) {
      for (const { name } of [...each.attributes]) if (name.startsWith("on")) each.removeAttribute(name);
    }
    place.replaceChildren(made.content);
    place.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.querySelector("button")?.click();
    }));
    place.querySelectorAll("cwdb-action").forEach(bind);
  };

  const bind = (action) => {
    const button = action.previousElementSibling;
    if (!button || action.getAttribute("action") !== "call") return;
    button.addEventListener(action.getAttribute("event") || "click", () => press(action, button));
  };

  const press = async (action, button) => {
    if (busy) return;
    const confirmation = action.getAttribute("confirmation");
    if (confirmation && !(await confirmed(confirmation, button))) return;
    const inPopup = action.getAttribute("display") === "popup";
    await draw(action.getAttribute("endpoint"), JSON.parse(action.textContent), inPopup);
  };

  const closing = (dialog, back) => new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => { back?.focus(); resolve(dialog.returnValue); }, { once: true });
    dialog.showModal();
  });

  const confirmed = async (text, button) => {
    document.getElementById("question-asked").textContent = text;
    return (await closing(question, button)) === "yes";
  };

  const draw = async (endpoint, parameters, inPopup) => {
    busy = true;
    host.setAttribute("aria-busy", "true");
    try {
      const html = await call(endpoint, parameters);
      fill(inPopup ? popup : root, html);
      say("");
      if (!inPopup) heading();
    } catch (error) {
      say(`This did not work: ${error.message}`);
      return;
    } finally {
      busy = false;
      host.setAttribute("aria-busy", "false");
    }
    if (inPopup) {
      await closing(answer, root.activeElement);
      await refresh();
    }
  };

  // Whoever hears the page is told that it is another one.
  const heading = () => {
    const title = root.querySelector("h2");
    if (!title) return;
    title.tabIndex = -1;
    title.style.outline = "none";
    title.focus({ preventScroll: true });
  };

  const path = (element) => {
    const steps = [];
    for (let here = element; here && here !== root; here = here.parentNode) {
      steps.unshift([...here.parentNode.children].indexOf(here));
    }
    return steps;
  };

  const refresh = async () => {
    const active = root.activeElement;
    const typing = active && active.matches("input, select");
    const written = [...root.querySelectorAll("input[type=text]")].some((field) => field.value !== field.defaultValue);
    if (busy || typing || written || document.hidden || question.open || answer.open) return;
    try {
      const html = await call(host.dataset.function, {});
      const steps = root.activeElement ? path(root.activeElement) : null;
      fill(root, html);
      if (steps) steps.reduce((here, at) => here?.children[at], root)?.focus({ preventScroll: true });
      say(`Updated ${new Date().toLocaleTimeString("en-GB")}`);
    } catch (error) {
      say(`Not updated: ${error.message}`);
    }
    host.setAttribute("aria-busy", "false");
  };

  for (const dialog of [question, answer]) {
    dialog.addEventListener("click", (event) => {
      if (event.target.matches("button")) dialog.close(event.target.value);
    });
  }
  dark.addEventListener("change", refresh);
  setInterval(refresh, EVERY_MS);
  say("Asking the deployed function\u2026");
  refresh();
})();
