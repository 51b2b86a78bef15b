// Light or dark: the system's choice until the button says otherwise.
import { setText } from "./dom.js";

const name = "processor-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

// onTheme calls f when colours change: what is drawn on a canvas needs telling.
export function onTheme(f) {
  listeners.add(f);
}

export function startTheme(button) {
  const show = () => {
    setText(button, isDark() ? "Light" : "Dark");
    button.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
    for (const f of listeners) f();
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(name, theme);
    } catch {
      // It lasts until the page is loaded again.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}

// colour resolves a variable of the style sheet to what the theme makes of it.
export function colour(variable) {
  const probe = document.getElementById("bar");
  probe.style.outlineColor = `var(${variable})`;
  const value = getComputedStyle(probe).outlineColor;
  probe.style.outlineColor = "";
  return value;
}
