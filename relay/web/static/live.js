// News: the server says what has changed, and the page fetches itself again. Only what differs is exchanged; the server
// is the one that writes HTML.
const policy = globalThis.trustedTypes?.createPolicy("relay", { createHTML: (text) => text });

export function follow() {
  const addresses = (document.body.dataset.events ?? "").split(" ").filter(Boolean);
  if (!addresses.length || !document.querySelector("[data-live]")) return;
  let streams = [];

  const opened = (address) => {
    const stream = new EventSource(address);
    // Nobody knows what happened after the page was made and before the stream began, nor during a break.
    let missed = true;
    stream.onmessage = (message) => refresh(new Set(JSON.parse(message.data)));
    stream.onopen = () => { if (missed) refresh(null); missed = false; };
    stream.onerror = () => {
      missed = true;
      // The browser begins anew after a break, but not after an answer that is no stream: the session has ended, or a
      // proxy in front finds the relay stopped.
      if (stream.readyState !== EventSource.CLOSED) return;
      streams = streams.filter((one) => one !== stream);
      refresh(null);
      setTimeout(() => { if (!document.hidden) streams.push(opened(address)); }, 10_000);
    };
    return stream;
  };
  const open = () => { if (!streams.length) streams = addresses.map(opened); };
  const close = () => { streams.forEach((stream) => stream.close()); streams = []; };
  // A browser has six connections for a site: a page that nobody looks at keeps none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
}

let running = false;
// What is to be fetched when that has ended: topics, null for everything, undefined for nothing.
let next;

async function refresh(topics) {
  if (running) { next = topics && next !== null ? new Set([...topics, ...(next ?? [])]) : null; return; }
  const wanted = [...document.querySelectorAll("[data-live]")].filter(
    (part) => topics === null || part.dataset.live.split(" ").some((topic) => topics.has(topic)));
  if (!wanted.length) return;
  running = true;
  try {
    const address = location.href;
    const fresh = await fetched(address, ended, { "relay-by-itself": "1" });
    // Whoever has opened a message meanwhile is at another address, which looks otherwise.
    if (location.href !== address) next = null;
    else if (fresh) exchange(wanted, fresh);
  } catch {
    // The stream tells when the relay is there again.
  } finally {
    running = false;
    if (next !== undefined) { const topics = next; next = undefined; refresh(topics); }
  }
}

// A page of ours as a document; null where the server sends us to `elsewhere` (the session has ended) or has trouble.
export async function fetched(address, elsewhere = () => {}, headers = {}) {
  const answer = await fetch(address, { headers: { accept: "text/html", ...headers }, cache: "no-store" });
  if (answer.redirected) elsewhere(answer.url);
  if (!answer.ok || answer.redirected) return null;
  const text = await answer.text();
  return new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
}

// What is shown stays, but nobody is to take it for news.
function ended(login) {
  if (document.getElementById("ended")) return;
  const note = document.createElement("div"), link = document.createElement("a");
  note.id = "ended";
  note.className = "note bad";
  note.setAttribute("role", "alert");
  link.href = login;
  link.textContent = "Log in again";
  note.append("Your session has ended, and this page is not up to date any more. ", link);
  document.getElementById("content").prepend(note);
}

function exchange(wanted, fresh) {
  for (const part of wanted) {
    // Not part.id: in a form that has a field of that name, it is the field.
    const id = part.getAttribute("id");
    const newer = document.contains(part) && fresh.getElementById(id);
    if (!newer || newer.outerHTML === part.outerHTML || busy(part)) continue;
    const ticked = [...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value);
    const opened = [...part.querySelectorAll("details")].map((one) => one.open);
    const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const top = part.scrollTop;
    const replacement = document.importNode(newer, true);
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
