// Light or dark before the first paint. A blocking script of its own, because inline ones are refused.
// The key and its JSON form are those of the staff console, so one choice holds on both.
"use strict";
const KEY = "adminTheme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function chosenTheme() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) || "auto";
  } catch {
    return "auto";
  }
}

function showTheme() {
  const theme = chosenTheme();
  const effective = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.bsTheme = effective;
  document.documentElement.dataset.theme = theme;
}

document.documentElement.classList.add("js");
showTheme();
dark.addEventListener("change", showTheme);
window.addEventListener("storage", showTheme);
