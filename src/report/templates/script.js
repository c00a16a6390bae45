"use strict";
// Tables whose heads are buttons are sorted by a press: first the largest numbers, then the smallest; names from A on.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const text = head.classList.contains("text");
    const first = text ? "ascending" : "descending";
    const second = text ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      const shown = cell.dataset.value ?? cell.textContent;
      if (text) return cell.textContent;
      return shown === "inf" ? Infinity : parseFloat(shown);
    };
    const rows = [...body.rows].map((row) => [value(row), row]);
    const sign = order === "ascending" ? 1 : -1;
    rows.sort(([a], [b]) => {
      if (text) return sign * a.localeCompare(b, undefined, { numeric: true });
      // What is not a number goes last, whatever the order.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    });
    body.append(...rows.map(([, row]) => row));
  });
}
// A filter hides what its section holds of other names.
for (const input of document.querySelectorAll("input[data-filter]")) {
  const section = document.getElementById(input.dataset.filter);
  const status = input.closest(".filter").querySelector("output");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    for (const item of section.querySelectorAll("[data-name]")) {
      item.hidden = !item.dataset.name.toLowerCase().includes(wanted);
      shown += !item.hidden && item.tagName === "TR";
    }
    status.textContent = wanted === "" ? "" : `${shown} shown`;
  });
}
// Paper shows what a closed fold would hide.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open])")) {
    fold.open = true;
    fold.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-printed]")) {
    fold.open = false;
    delete fold.dataset.printed;
  }
});
