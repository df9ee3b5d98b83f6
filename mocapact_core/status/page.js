"use strict";
// Sorting and filtering. What is chosen stands in the address, so that it outlives a reload.
const filter = document.querySelector("input");
const tables = [...document.querySelectorAll("table")];
const chosen = new URLSearchParams(location.hash.slice(1));

function remember(key, value) {
  value ? chosen.set(key, value) : chosen.delete(key);
  location.replace("#" + chosen);
}

function show() {
  const wanted = filter.value.toLowerCase();
  for (const table of tables) {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    document.getElementById(table.id + "-shown").textContent = shown;
  }
}

function key(cell) {
  const text = cell.dataset.sort ?? cell.textContent;
  if (text === "") return null;
  const number = Number(text.replaceAll(",", ""));
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

function sort(table, column, order) {
  const sign = order === "descending" ? -1 : 1;
  const keyed = [...table.tBodies[0].rows].map((row) => [key(row.cells[column]), row]);
  // What is missing comes last either way.
  keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((cell, i) => cell.setAttribute("aria-sort", i === column ? order : "none"));
  remember(table.id, column + " " + order);
}

for (const table of tables) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    cell.firstElementChild.addEventListener("click", () => {
      sort(table, column, cell.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
    });
  });
  const [column, order] = (chosen.get(table.id) ?? "").split(" ");
  if (order) sort(table, Number(column), order);
}
for (const button of document.querySelectorAll(".counts button")) {
  button.addEventListener("click", () => {
    filter.value = filter.value === button.dataset.state ? "" : button.dataset.state;
    filter.dispatchEvent(new Event("input"));
  });
}
filter.addEventListener("input", () => { show(); remember("filter", filter.value); });
filter.value = chosen.get("filter") ?? "";
show();
const every = document.documentElement.dataset.every;
if (every) setTimeout(() => location.reload(), 1000 * every);
