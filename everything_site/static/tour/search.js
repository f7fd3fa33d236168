/** The search of the tour: titles, methods, headers and sentences, in this page over one JSON. */

const MAX_RESULTS = 12;

for (const form of document.querySelectorAll(".tour-search")) start(form);

function start(form) {
  const field = form.querySelector("input");
  const list = form.querySelector(".tour-results");
  const status = form.querySelector("[role=status]");
  const groups = form.parentElement.querySelector(".tour-groups");
  let loading = null;
  const load = () => (loading ??= fetch(form.dataset.url).then((response) => response.json()));
  field.addEventListener("focus", load, { once: true });
  field.addEventListener("input", async () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { pages } = await load();
    const found = words.length ? pages.map((page) => match(page, words)).filter(Boolean) : [];
    found.sort((one, other) => other.score - one.score);
    list.replaceChildren(...found.slice(0, MAX_RESULTS).map(entry));
    list.hidden = groups.hidden = words.length > 0;
    list.hidden = !groups.hidden;
    status.textContent = words.length ? `${found.length} ${found.length === 1 ? "page" : "pages"} found` : "";
    if (words.length && !found.length) list.append(item("Nothing found."));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    field.value = "";
    field.dispatchEvent(new Event("input"));
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
  });
}

/** A page that has all the words, with how well it fits and where the last of them stands; else null. */
function match(page, words) {
  const places = [
    [10, [page.title]],
    [6, page.methods],
    [5, page.headers],
    [3, [page.about, page.group, page.revisions]],
    [1, page.steps],
  ];
  let score = 0;
  let where = "";
  for (const word of words) {
    const hit = places.flatMap(([weight, texts]) => texts.map((text) => [weight, text])).find(([, text]) => text.toLowerCase().includes(word));
    if (!hit) return null;
    score += hit[0];
    if (hit[1] !== page.title) where = hit[1];
  }
  return { page, score, where: where || page.about };
}

function entry({ page, where }) {
  const link = document.createElement("a");
  link.href = page.name;
  link.append(page.title, Object.assign(document.createElement("span"), { textContent: where.replaceAll("`", "") }));
  return item(link);
}

function item(...content) {
  const line = document.createElement("li");
  line.append(...content);
  return line;
}
