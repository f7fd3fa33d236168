// What every page has: the theme switch of the header, and buttons that copy.

const THEMES = ["auto", "light", "dark"];
const NAMES = { auto: "system", light: "light", dark: "dark" };
const root = document.documentElement;
const theme = document.querySelector("button.theme");

function themeAfter(current) {
  return THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
}

function describeTheme() {
  const current = root.dataset.theme;
  theme.setAttribute("aria-label", `Theme: ${NAMES[current] ?? NAMES.auto}`);
  theme.title = `Theme: ${NAMES[current] ?? NAMES.auto}. Switch to ${NAMES[themeAfter(current)]}.`;
}

if (theme) {
  describeTheme();
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = themeAfter(root.dataset.theme);
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage is disabled: the choice lasts as long as the page.
    }
    describeTheme();
  });
  addEventListener("storage", (event) => {
    if (event.key === "theme" && THEMES.includes(event.newValue)) {
      root.dataset.theme = event.newValue;
      describeTheme();
    }
  });
}

// <button data-copy="ID" hidden>Copy</button> copies the text of the element with that id, and says so.
const COPIED_MILLISECONDS = 2000;

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
  } catch {
    // No clipboard without https, or no permission: select the text, for the person to copy.
    getSelection().selectAllChildren(source);
    said = "Press Ctrl+C";
  }
  const before = button.textContent;
  if (!button.dataset.label) button.dataset.label = before;
  button.textContent = said;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => (button.textContent = button.dataset.label), COPIED_MILLISECONDS);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => copy(button));
}
