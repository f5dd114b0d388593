// Draws every Mermaid block of the page. Without JavaScript the text of the diagram is shown.
"use strict";
{
  const mermaidFile = new URL("mermaid.tiny.js", document.currentScript.src);

  const draw = (blocks) => {
    const theme = document.body.dataset.theme;
    const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark ? "dark" : "default" });
    for (const block of blocks) {
      const figure = document.createElement("div");
      figure.className = "mermaid";
      figure.textContent = block.querySelector("pre").textContent;
      block.replaceWith(figure);
    }
    mermaid.run();
  };

  document.addEventListener("DOMContentLoaded", () => {
    const blocks = document.querySelectorAll(".highlight-mermaid");
    if (blocks.length === 0) return;
    const script = document.createElement("script");
    script.src = mermaidFile;
    script.addEventListener("load", () => draw(blocks));
    document.head.append(script);
  });
}
