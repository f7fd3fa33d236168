// Turns the sections of each [data-tabs] into tabs, as the ARIA Authoring Practices describe them. Without this
// script the sections stand one below the other. The choice is remembered under the value of data-tabs.

class Tabs {
  constructor(container) {
    this.key = `tabs-${container.dataset.tabs}`;
    this.panels = [...container.querySelectorAll(":scope > section")];
    this.tabs = this.panels.map((panel) => this.tabFor(panel));
    const list = document.createElement("div");
    list.role = "tablist";
    list.ariaLabel = container.dataset.label;
    list.append(...this.tabs);
    container.prepend(list);
    list.addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("hashchange", () => this.showTarget());
    this.list = list;
    this.show(this.remembered());
    this.showTarget();
  }

  tabFor(panel) {
    const heading = panel.querySelector("h3");
    const tab = document.createElement("button");
    tab.type = "button";
    tab.role = "tab";
    tab.id = `${panel.id}-tab`;
    tab.textContent = heading.textContent;
    tab.setAttribute("aria-controls", panel.id);
    tab.addEventListener("click", () => this.choose(this.tabs.indexOf(tab)));
    heading.classList.add("hidden");
    panel.role = "tabpanel";
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  }

  show(index) {
    this.tabs.forEach((tab, position) => {
      tab.setAttribute("aria-selected", position === index);
      tab.tabIndex = position === index ? 0 : -1;
      this.panels[position].hidden = position !== index;
    });
    const { offsetLeft, offsetWidth } = this.tabs[index];
    this.list.scrollLeft = offsetLeft - (this.list.clientWidth - offsetWidth) / 2;
  }

  choose(index) {
    this.show(index);
    try {
      localStorage.setItem(this.key, this.panels[index].id);
    } catch {
      // Storage is disabled: the choice lasts as long as the page.
    }
  }

  remembered() {
    try {
      return Math.max(0, this.indexOf(localStorage.getItem(this.key)));
    } catch {
      return 0;
    }
  }

  indexOf(id) {
    return this.panels.findIndex((panel) => panel.id === id);
  }

  showTarget() {
    const index = this.indexOf(location.hash.slice(1));
    if (index < 0) return;
    this.show(index);
    this.panels[index].parentElement.scrollIntoView();
  }

  onKey(event) {
    const last = this.tabs.length - 1;
    const current = this.tabs.indexOf(document.activeElement);
    const next = {
      ArrowRight: current === last ? 0 : current + 1,
      ArrowLeft: current === 0 ? last : current - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(next);
    this.tabs[next].focus();
  }
}

for (const container of document.querySelectorAll("[data-tabs]")) new Tabs(container);
