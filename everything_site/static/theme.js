// The theme that the person chose, before the page is painted: "auto", "light" or "dark", under the key of Django's admin.
{
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("theme") ?? "auto";
  } catch {
    // Storage is disabled: follow the system.
  }
  document.documentElement.dataset.theme = chosen;
}
