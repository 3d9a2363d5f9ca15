// Asks for the page's content again every 15 seconds, and keeps what is opened, focused and scrolled. The custom widget
// asks for itself: it stays as it is.
"use strict";
(() => {
  const EVERY_MS = 15000;
  const content = document.getElementById("content");
  const updated = document.getElementById("updated");
  const pause = document.getElementById("pause");
  let paused = false;

  const say = (text) => { updated.textContent = text; };

  const state = () => ({
    open: new Map([...content.querySelectorAll("details[id]")].map((d) => [d.id, d.open])),
    scrolled: [...content.querySelectorAll(".scroll")].map((s) => [s.scrollLeft, s.scrollTop]),
    focused: path(document.activeElement),
  });

  // Where the focused element stands, by its place among its siblings.
  const path = (element) => {
    if (!element || !content.contains(element) || element.closest("#framed")) return null;
    const steps = [];
    for (let here = element; here !== content; here = here.parentElement) {
      steps.unshift([...here.parentElement.children].indexOf(here));
    }
    return steps;
  };

  const restore = ({ open, scrolled, focused }) => {
    for (const details of content.querySelectorAll("details[id]")) {
      if (open.has(details.id)) details.open = open.get(details.id);
    }
    content.querySelectorAll(".scroll").forEach((each, at) => {
      if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at];
    });
    const element = focused && focused.reduce((here, at) => here && here.children[at], content);
    if (element) element.focus({ preventScroll: true });
  };

  // Puts the widget that was there in the place of the one that came, with where one was in it.
  const renew = (text) => {
    const framed = document.getElementById("framed");
    const widget = document.getElementById("widget");
    const focused = widget?.shadowRoot?.activeElement
      ?? (framed?.contains(document.activeElement) ? document.activeElement : null);
    const scrolled = widget?.scrollTop;
    content.innerHTML = text;
    const place = document.getElementById("framed");
    if (!framed || !place) return;
    place.replaceWith(framed);
    widget.scrollTop = scrolled;
    focused?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    if (paused || document.hidden || content.querySelector("dialog[open]")) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      const text = await answer.text();
      const kept = state();
      const [x, y] = [scrollX, scrollY];
      if (content.querySelector("dialog[open]")) return;
      renew(text);
      restore(kept);
      scrollTo(x, y);
      say(`Updated ${new Date().toISOString().slice(11, 19)} UTC`);
    } catch (error) {
      say(`Not updated: ${error.message}`);
    }
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    say(paused ? "Paused" : "");
    if (!paused) refresh();
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY_MS);
})();
