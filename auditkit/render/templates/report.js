"use strict";
/* What the page gains with script: sorting, filtering, copying, moving by keyboard, light or dark.
   It reads the page and moves parts of it; nothing is fetched, stored or evaluated. */
(() => {
  const make = (tag, text, options = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(options)) made.setAttribute(name, value);
    return made;
  };
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const status = make("p", "", { role: "status", class: "hidden" });
  const say = (text) => { status.textContent = text; };
  document.body.append(status);

  /* --- tables: sort by a column, keep the rows that hold a text --------------------------------- */

  const number = (text) => {
    const found = /[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?/i.exec(text.replace(/\u2212/g, "-"));
    return found && found.index < 4 ? Number(found[0].replace(/,/g, "")) : NaN;
  };
  const place = (row, column) => {
    let at = 0;
    for (const cell of row.cells) {
      at += cell.colSpan;
      if (at > column) return cell;
    }
    return null;
  };
  const compare = (one, other, sign) => {
    if (one.empty !== other.empty) return one.empty ? 1 : -1;  // what is undefined stays last
    if (!Number.isNaN(one.number) && !Number.isNaN(other.number)) return sign * (one.number - other.number);
    return sign * one.text.localeCompare(other.text, "en", { numeric: true });
  };
  const sort = (table, head, column) => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    for (const body of table.tBodies) {
      const last = [...body.rows].filter((row) => row.classList.contains("gap"));
      const rows = [...body.rows].filter((row) => !row.querySelector("th[scope=rowgroup]") && !last.includes(row));
      const keyed = rows.map((row) => {
        const cell = place(row, column);
        const text = cell ? cell.textContent.trim() : "";
        return { row, text, number: number(text), empty: !text || cell.classList.contains("undefined") };
      });
      keyed.sort((one, other) => compare(one, other, up ? 1 : -1));
      body.append(...keyed.map((one) => one.row), ...last);
    }
    say(`Sorted by ${head.textContent.trim()}, ${up ? "ascending" : "descending"}.`);
  };
  const sortable = (table) => {
    all("thead th", table).forEach((head) => {
      let column = 0;
      for (let before = head.previousElementSibling; before; before = before.previousElementSibling) {
        column += before.colSpan;
      }
      const button = make("button", "", { type: "button", class: "sort" });
      button.append(...[...head.childNodes].filter((node) => node.nodeName !== "A"));
      head.prepend(button, " ");
      button.addEventListener("click", () => sort(table, head, column));
    });
  };
  const filterable = (table, region) => {
    const name = region.getAttribute("aria-label") || "table";
    const label = make("label", "Filter rows ", { class: "filter" });
    const field = make("input", "", { type: "search", "aria-label": `Filter rows: ${name}` });
    const left = make("span", "", { class: "soft" });
    label.append(field, left);
    region.before(label);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      let count = 0;
      for (const body of table.tBodies) {
        let some = false;
        const heads = [];
        for (const row of body.rows) {
          if (row.querySelector("th[scope=rowgroup]")) { heads.push(row); continue; }
          const group = heads.map((head) => head.textContent).join(" ");
          row.hidden = !`${group} ${row.textContent}`.toLowerCase().includes(wanted);
          some ||= !row.hidden;
          count += 1;
          shown += row.hidden ? 0 : 1;
        }
        for (const head of heads) head.hidden = !some;
      }
      left.textContent = wanted ? ` ${shown} of ${count}` : "";
      say(`${shown} of ${count} rows.`);
    });
  };
  for (const table of all(".check table, .groups")) {
    if (table.classList.contains("matrix") || !table.tHead) continue;
    const rows = [...table.tBodies].reduce((sum, body) => sum + body.rows.length, 0);
    if (rows > 2) sortable(table);
    const region = table.closest(".scroll");
    if (rows > 8 && region) filterable(table, region);
  }

  /* --- links and commands: copy them ------------------------------------------------------------ */

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = make("textarea", text, { class: "hidden" });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  };
  const copies = (button, text, what) => {
    button.addEventListener("click", async () => {
      await copy(text());
      const before = [...button.childNodes];
      button.textContent = "Copied";
      say(`${what} is copied.`);
      setTimeout(() => { button.replaceChildren(...before); }, 1500);
    });
    return button;
  };
  const address = (id) => `${location.href.split("#")[0]}#${id}`;
  for (const command of all("code.command")) {
    const button = make("button", "Copy", { type: "button", class: "copy" });
    button.append(make("span", " the command", { class: "hidden" }));
    command.after(copies(button, () => command.textContent, "The command"));
  }
  for (const check of all(".check")) {
    const button = make("button", "Copy link", { type: "button", class: "copy" });
    check.querySelector(".above .self").replaceWith(copies(button, () => address(check.id), "The link"));
  }
  for (const row of all("tr[id^='finding-']")) {
    const link = make("a", "#", { class: "self", href: `#${row.id}`, title: "Link to this finding" });
    link.append(make("span", " link to this finding", { class: "hidden" }));
    row.cells[0].append(" ", link);
  }

  /* --- a link into something folded opens it ----------------------------------------------------- */

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let one = target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    for (const inner of all(":scope > details.body", target)) inner.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);

  /* --- the bar: fold and unfold, light or dark, help --------------------------------------------- */

  const bar = make("div", "", { class: "tools", role: "group", "aria-label": "Page tools" });
  const tool = (text, act) => {
    const button = make("button", text, { type: "button" });
    button.addEventListener("click", () => act(button));
    bar.append(button);
    return button;
  };
  const fold = (open) => { for (const one of all("details")) one.open = open; };
  tool("Expand all", () => fold(true));
  tool("Collapse all", () => fold(false));
  const themed = [...document.styleSheets[0].cssRules].find(
    (rule) => rule.media && rule.media.mediaText.includes("prefers-color-scheme: dark"),
  );
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let isDark = dark.matches;
  const theme = tool("", () => {
    isDark = !isDark;
    themed.media.mediaText = isDark ? "screen" : "not all";
    document.documentElement.style.colorScheme = isDark ? "dark" : "light";
    named();
  });
  const named = () => { theme.textContent = isDark ? "Light colours" : "Dark colours"; };
  named();
  bar.append(make("span", "Alt + \u2193 and Alt + \u2191: next and previous check", { class: "soft keys" }));
  document.querySelector("nav").append(bar);

  /* --- keys ------------------------------------------------------------------------------------- */

  const step = (by) => {
    const stops = all(".check h3");
    const here = stops.findIndex((one) => one === document.activeElement);
    const top = stops.findIndex((one) => one.getBoundingClientRect().top > 8);
    const next = here >= 0 ? here + by : by > 0 ? top : (top < 0 ? stops.length : top) - 1;
    const stop = stops[next];
    if (!stop) return;
    stop.tabIndex = -1;
    stop.focus({ preventScroll: true });
    stop.closest(".check").scrollIntoView();
  };
  addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  });

  /* --- paper shows everything ------------------------------------------------------------------- */

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
  reveal();
})();
