// A message is put beside the list without loading the whole page again; its address is that of the page all the same.
import { fetched } from "./live.js";

export function preview() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-preview]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.href, true, link);
  });
  if (document.querySelector(".mail")) window.addEventListener("popstate", () => show(location.href, false));
}

async function show(address, push) {
  const fresh = await fetched(address);
  const next = fresh?.querySelector(".mail");
  const here = document.querySelector(".mail");
  if (!next || !here) { location.href = address; return; }
  if (push) history.pushState(null, "", address);
  document.body.className = fresh.body.className;
  document.title = fresh.title;
  here.querySelector(".preview").replaceWith(document.importNode(next.querySelector(".preview"), true));
  document.querySelector(".theme input").value = fresh.querySelector(".theme input").value;
  mark(new URL(address).pathname);
}

// The row that is shown; it is read now.
function mark(path) {
  for (const row of document.querySelectorAll(".mails li")) {
    const link = row.querySelector("a");
    const chosen = new URL(link.href).pathname === path;
    row.classList.toggle("chosen", chosen);
    if (chosen) { row.classList.remove("unread"); link.setAttribute("aria-current", "true"); } else link.removeAttribute("aria-current");
  }
}
