/** Lists of Django's admin on narrow screens: each row becomes a card, whose cells say which column they are of. */

for (const table of document.querySelectorAll("#result_list")) {
  // Laid out as cards, elements of tables would no longer count as such.
  table.setAttribute("role", "table");
  for (const group of table.querySelectorAll("thead, tbody")) group.setAttribute("role", "rowgroup");
  for (const row of table.rows) row.setAttribute("role", "row");
  const names = [...table.querySelectorAll("thead th")].map((head) => {
    head.setAttribute("role", "columnheader");
    return (head.querySelector(".text") ?? head).textContent.trim();
  });
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, index) => {
      cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
      if (names[index] && !cell.classList.contains("action-checkbox")) cell.dataset.label = names[index];
    });
  table.classList.add("stacks");
}
