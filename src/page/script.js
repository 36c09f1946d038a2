'use strict';
// Sorting and searching. Without this script the page says all the same.

function valueOf(row, at) {
  const cell = row.cells[at];
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text.toLowerCase();
}

function compare(a, b) {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sort(table, head, at) {
  // Sizes are asked for from the top, names from the start of the alphabet.
  const isDescending = head.getAttribute('aria-sort') === 'descending';
  const isFirst = !head.hasAttribute('aria-sort');
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, at), row]);
  const isNumber = rows.some(([value]) => typeof value === 'number');
  const sign = (isFirst ? isNumber : !isDescending) ? -1 : 1;
  rows.sort(([a], [b]) => sign * compare(a, b));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', sign < 0 ? 'descending' : 'ascending');
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll('table.sortable')) {
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    button.addEventListener('click', () => sort(table, head, at));
    head.replaceChildren(button);
  });
}

const search = document.getElementById('search');
if (search) {
  const rows = [...document.querySelectorAll('table.searched tbody tr')];
  const [input, output] = [search.querySelector('input'), search.querySelector('output')];
  input.addEventListener('input', () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.find.includes(word));
      if (!row.hidden) shown += 1;
    }
    output.textContent = words.length ? `${shown} of ${rows.length} packages` : '';
  });
  search.hidden = false;
}
