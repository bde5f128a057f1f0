// Small repairs and manners of a page: names for controls that lack them, definitions on hover and focus.
(() => {
  // The theme's label differs from the text that is seen on these; without it the text itself is the name.
  for (const el of document.querySelectorAll(".search-button-field, summary[aria-label]")) el.removeAttribute("aria-label");
  for (const el of document.querySelectorAll('[role="doc-biblioentry"]')) el.setAttribute("role", "listitem");   // the theme's role is deprecated
  const sidebar = document.getElementById("pst-primary-sidebar");
  sidebar?.setAttribute("role", "complementary");
  sidebar?.setAttribute("aria-label", "Book");
  // From disk no page may read another, so the search shows titles without excerpts.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  // Wide code, tables and equations scroll inside themselves; keys must be able to do it.
  const scrollable = () => document.querySelectorAll("div.highlight > pre, .cell_output pre, div.math, .bk-static, .pst-scrollable-table-container, .cell_output .text_html").forEach((el) => {
    if (el.scrollWidth > el.clientWidth + 1) el.tabIndex = 0; else el.removeAttribute("tabindex");
  });
  addEventListener("load", scrollable);
  addEventListener("resize", scrollable);

  // A term's definition follows its link in the text; show it beside the link.
  let shown = null;
  const hide = () => { shown?.classList.remove("bk-shown"); shown = null; };
  document.querySelectorAll("a.bk-term").forEach((link, n) => {
    const text = link.nextElementSibling;
    if (!text?.classList.contains("bk-definition")) return;
    text.id = `bk-definition-${n}`;
    text.setAttribute("role", "tooltip");
    link.setAttribute("aria-describedby", text.id);
    const show = () => {
      hide();
      shown = text;
      text.classList.add("bk-shown");
      const at = link.getBoundingClientRect(), room = document.documentElement.clientWidth, width = text.offsetWidth;
      text.style.left = `${Math.max(8, Math.min(at.left, room - width - 8))}px`;
      text.style.top = at.bottom + text.offsetHeight + 8 < innerHeight ? `${at.bottom + 4}px` : `${at.top - text.offsetHeight - 4}px`;
    };
    for (const event of ["mouseenter", "focus"]) link.addEventListener(event, show);
    for (const event of ["mouseleave", "blur"]) link.addEventListener(event, hide);
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
})();
