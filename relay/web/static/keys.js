// Keys: j and k go through a list, Enter opens, / searches, u goes back, x chooses, ? tells of them.
const keys = [["j, k", "next, previous"], ["Enter", "open"], ["x", "choose"], ["/", "search"], ["r", "unread again"], ["Del", "delete what is open"], ["u, Esc", "back"], ["?", "this"]];

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
  r: () => press("[data-unread]"),
  Delete: () => press("[data-delete]"),
  "?": tell,
};

function press(which) {
  const found = document.querySelector(which);
  if (!found) return false;
  found.click();
}

function back() { return press("[data-back]"); }

function tell() {
  const shown = document.getElementById("keys");
  if (shown) { shown.remove(); return; }
  const note = document.createElement("div");
  note.id = "keys";
  note.className = "note";
  note.setAttribute("role", "status");
  for (const [key, meaning] of keys) {
    const pair = document.createElement("span"), cap = document.createElement("kbd");
    cap.textContent = key;
    pair.append(cap, ` ${meaning}`);
    note.append(pair);
  }
  document.getElementById("content").prepend(note);
}
