// Asks for the page's content again every 15 seconds, and keeps what is opened, focused and scrolled.
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
    if (!element || !content.contains(element)) return null;
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

  const refresh = async () => {
    if (paused || document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      const text = await answer.text();
      const kept = state();
      const [x, y] = [scrollX, scrollY];
      content.innerHTML = text;
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
