// Keys: j and k go through a list, Enter opens, / searches, u goes back, x chooses, ? tells of them.
const text = "Keys:  j, k  next, previous    Enter  open    x  choose    /  search    u, Esc  back    ?  this";

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (typing) { if (event.key === "Escape") typing.blur(); return; }
    const act = actions[event.key];
    if (act && act() !== false) event.preventDefault();
  });
}

const rows = () => [...document.querySelectorAll("[data-row]")];
const current = () => document.activeElement?.closest?.("[data-row]") ?? document.querySelector("[data-row].at");

function move(step) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  all.forEach((row) => row.classList.toggle("at", row === next));
  next.querySelector("[data-open]")?.focus();
  next.scrollIntoView({ block: "nearest" });
}

const actions = {
  j: () => move(1),
  k: () => move(-1),
  x: () => { const box = current()?.querySelector("input[type=checkbox]"); if (!box) return false; box.click(); },
  "/": () => { const field = document.querySelector("[data-search]"); if (!field) return false; field.focus(); field.select(); },
  u: back,
  Escape: back,
  Delete: () => { const button = document.querySelector("[data-delete]"); if (!button) return false; button.click(); },
  "?": tell,
};

function back() {
  const link = document.querySelector("[data-back]");
  if (!link) return false;
  link.click();
}

function tell() {
  const shown = document.getElementById("keys");
  if (shown) { shown.remove(); return; }
  const note = document.createElement("div");
  note.id = "keys";
  note.className = "note";
  note.setAttribute("role", "status");
  note.textContent = text;
  document.getElementById("content").prepend(note);
}
