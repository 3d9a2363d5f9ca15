// What tests/browser/checks.py asks of a page as the browser laid it out. Parts in shadow trees count like all others.
(() => {
  const every = (node) =>
    [...node.querySelectorAll("*")].flatMap((e) => (e.shadowRoot ? [e, ...every(e.shadowRoot)] : [e]));
  const parent = (e) => e.parentElement || e.getRootNode().host;
  const shown = (e) =>
    e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getClientRects().length > 0;
  const start = (e) => e.outerHTML.slice(0, 120);
  const focused = () => {
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    return e;
  };

  const tooWide = () => {
    const widest = document.documentElement.clientWidth;
    const inside = (e) => {
      for (let up = parent(e); up; up = parent(up)) if (getComputedStyle(up).overflowX !== "visible") return true;
      return false;
    };
    const out = every(document).filter(
      (e) => shown(e) && e.getBoundingClientRect().right > widest + 1 && !inside(e),
    );
    return { page: document.documentElement.scrollWidth - widest, elements: out.map(start) };
  };

  const numbers = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (e) => {
    const layers = [];
    for (let up = e; up; up = parent(up)) layers.push(numbers(getComputedStyle(up).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [x, y, z] = colour.slice(0, 3).map((c) => {
      const part = c / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const faint = () => {
    const found = [];
    for (const e of every(document)) {
      const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
      if (!text || !shown(e)) continue;
      const below = ground(e);
      const ink = over(numbers(getComputedStyle(e).color), below);
      const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${text.slice(0, 60)}`);
    }
    return found;
  };

  const nameless = () => {
    const label = (e) => e.getAttribute("aria-label") || "";
    const named = (e) =>
      e.matches("input, select") ? e.closest("label") || label(e) : (label(e) || e.innerText || "").trim();
    return every(document)
      .filter((e) => shown(e) && e.matches("button, a[href], input, select, [role=img], [role=region]"))
      .filter((e) => !named(e))
      .map(start);
  };

  const headings = () =>
    every(document)
      .filter((e) => e.matches("h1, h2, h3, h4, h5, h6") && e.getClientRects().length)
      .map((e) => Number(e.tagName[1]));

  const tooSmall = () =>
    every(document)
      .filter((e) => shown(e) && e.matches("button, select, input") && e.getBoundingClientRect().height < 24)
      .map(start);

  const focusName = () => {
    const e = focused();
    return e ? (e.getAttribute("aria-label") || e.innerText || e.name || e.tagName).trim() : "";
  };

  const focusRing = () => {
    const style = getComputedStyle(focused());
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };

  return { tooWide, faint, nameless, headings, tooSmall, focusName, focusRing };
})()
