// Keeps a page up to date: the server reports a change, and the page takes over its own new content.
"use strict";
(() => {
  const lost = "The dashboard does not respond. This page shows what it knew last.";
  const main = document.querySelector("main");
  const notice = document.getElementById("notice");
  const events = document.body.dataset.events;
  if (!events || !window.EventSource) return;
  let busy = false;
  let again = false;

  const show = (text) => {
    if (notice.textContent !== text) notice.textContent = text;
    notice.hidden = !text;
  };

  const isTyping = () => main.contains(document.activeElement) && document.activeElement.matches("input, textarea");

  const replace = (next) => {
    const open = new Map([...main.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    const focused = main.contains(document.activeElement) ? document.activeElement.id : "";
    main.replaceChildren(...next.childNodes);
    for (const one of main.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    again = true;
    if (busy || document.hidden || isTyping()) return;
    busy = true;
    again = false;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const next = page.querySelector("main#content");
      // Another page in its place: the login of a proxy.
      if (!next) throw new Error(response.statusText);
      if (!isTyping()) replace(next);
      document.title = page.title;
      show("");
    } catch {
      show(lost);
    }
    busy = false;
    if (again) setTimeout(refresh, 1000);
  };

  const source = new EventSource(`${events}?since=${document.body.dataset.version}`);
  source.addEventListener("changed", refresh);
  source.addEventListener("error", () => show(lost));
  source.addEventListener("open", () => show(""));
  document.addEventListener("visibilitychange", () => again && refresh());
  main.addEventListener("focusout", () => again && setTimeout(refresh, 200));
})();
