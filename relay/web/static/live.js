// News: the server says what has changed, and the page fetches itself again. Only what differs is exchanged; the server
// is the one that writes HTML.
const policy = globalThis.trustedTypes?.createPolicy("relay", { createHTML: (text) => text });

export function follow() {
  const address = document.body.dataset.events;
  if (!address || !document.querySelector("[data-live]")) return;
  let stream = null;
  let missed = false;

  const open = () => {
    if (stream) return;
    stream = new EventSource(address);
    stream.onmessage = (message) => refresh(new Set(JSON.parse(message.data)));
    // After a break nobody knows what was missed.
    stream.onopen = () => { if (missed) refresh(null); missed = false; };
    stream.onerror = () => { missed = true; };
  };
  const close = () => { stream?.close(); stream = null; missed = true; };
  // A browser has six connections for a site: a page that nobody looks at keeps none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
}

let running = false;
let again = null;

async function refresh(topics) {
  if (running) { again = topics && again ? new Set([...topics, ...again]) : topics; return; }
  const wanted = [...document.querySelectorAll("[data-live]")].filter(
    (part) => topics === null || part.dataset.live.split(" ").some((topic) => topics.has(topic)));
  if (!wanted.length) return;
  running = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (answer.ok && !answer.redirected) exchange(wanted, await answer.text());
  } catch {
    // The stream tells when the relay is there again.
  } finally {
    running = false;
    if (again) { const next = again; again = null; refresh(next); }
  }
}

function exchange(wanted, text) {
  const fresh = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  for (const part of wanted) {
    const next = document.getElementById(part.id) === part && fresh.getElementById(part.id);
    if (!next || next.outerHTML === part.outerHTML || busy(part)) continue;
    const ticked = [...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value);
    const opened = [...part.querySelectorAll("details")].map((one) => one.open);
    const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const top = part.scrollTop;
    const replacement = document.importNode(next, true);
    for (const box of replacement.querySelectorAll("input[type=checkbox]")) box.checked = ticked.includes(box.value);
    replacement.querySelectorAll("details").forEach((one, number) => { one.open = opened[number] ?? one.open; });
    part.replaceWith(replacement);
    replacement.scrollTop = top;
    if (focus) replacement.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("exchanged", { detail: replacement }));
  }
  document.title = fresh.title;
}

// Whoever is typing is not disturbed.
function busy(part) {
  const at = document.activeElement;
  return part.contains(at) && at.matches("input:not([type=checkbox]), textarea, select") && at.value !== at.defaultValue;
}
