"use strict";
// Without this script the pages work too; it keeps them fresh, sorts and filters tables, and checks JSON before it is sent.
const REFRESH = 5000;
let sorting = null; // {column, descending}
let most = 200; // rows that are laid out, as many as the page has at first

const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

function compare(a, b) {
  const numbers = [Number(a), Number(b)];
  return numbers.some(Number.isNaN) || a === "" || b === "" ? a.localeCompare(b) : numbers[0] - numbers[1];
}

function button(text, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function arrange() {
  const filter = (document.getElementById("filter")?.value ?? "").toLowerCase();
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const sort = () => {
        sorting = { column, descending: sorting?.column === column && !sorting.descending };
        arrange();
      };
      if (!cell.querySelector("button")) cell.replaceChildren(button(cell.textContent, sort));
      if (sorting?.column === column) cell.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const rows = [...table.tBodies[0].rows];
    if (sorting) {
      const sign = sorting.descending ? -1 : 1;
      rows.sort((a, b) => sign * compare(value(a, sorting.column), value(b, sorting.column)));
      table.tBodies[0].append(...rows);
    }
    let shown = 0;
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(filter) || ++shown > most;
    table.nextElementSibling?.matches("button") && table.nextElementSibling.remove();
    const showAll = () => {
      most = Infinity;
      arrange();
    };
    if (shown > most) table.after(button(`Show all ${shown}`, showAll));
  }
}

const identity = (element) => element.tagName + (element.getAttribute("href") ?? element.textContent);

async function refresh() {
  const live = document.querySelector("[data-live]");
  if (!live || document.hidden) return;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (!answer.ok || !fresh) return;
    const focused = live.contains(document.activeElement) ? identity(document.activeElement) : null;
    const scrolled = [...live.querySelectorAll(".scroll, pre")].map((each) => [each.scrollLeft, each.scrollTop]);
    live.replaceChildren(...fresh.childNodes);
    arrange();
    live.querySelectorAll(".scroll, pre").forEach((each, index) => each.scrollTo(...(scrolled[index] ?? [0, 0])));
    if (focused) [...live.querySelectorAll("a, button, [tabindex]")].find((each) => identity(each) === focused)?.focus();
  } catch {
    // the desk has ended, or is late: the next time may be better
  }
}

for (const form of document.querySelectorAll("form[data-json]")) {
  form.addEventListener("submit", (event) => {
    const problem = document.getElementById("output-problem");
    try {
      JSON.parse(form.elements.output.value);
      problem.textContent = "";
    } catch (error) {
      event.preventDefault();
      problem.textContent = `This is not JSON: ${error.message}. A text needs quotes: "text".`;
      form.elements.output.focus();
    }
  });
}

document.getElementById("filter")?.addEventListener("input", arrange);
arrange();
const loading = document.querySelector("[data-live] > [role=status]:first-child:last-child");
setTimeout(refresh, loading ? 500 : REFRESH);
setInterval(refresh, REFRESH);
