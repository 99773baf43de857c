// Hands stay on the keyboard; every key has a button too. Nothing here is needed to use a page, it only saves steps.
(() => {
  const $ = (selector) => document.querySelector(selector);
  const typing = () => document.activeElement && document.activeElement.matches("input, textarea, select, [contenteditable]");
  const items = () => [...document.querySelectorAll("[data-item]")].filter((it) => it.checkVisibility());

  const step = (by) => {
    const all = items();
    if (!all.length) return;
    const at = all.findIndex((it) => it.contains(document.activeElement));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    const target = next.querySelector("[data-opens]") || next.querySelector("a, button") || next;
    target.focus(); next.scrollIntoView({ block: "nearest" });
  };

  const keys = {
    "/": () => { const box = $("#search"); if (box) { box.focus(); box.select(); } },
    "?": () => $("#keys").showModal(),
    j: () => step(1),
    k: () => step(-1),
    Escape: () => document.activeElement && document.activeElement.blur(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (typing()) { if (event.key === "Escape") document.activeElement.blur(); return; }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const link = document.querySelector(`[data-shortcut="${CSS.escape(key)}"]`);
    const row = document.activeElement && document.activeElement.closest("[data-item]");
    const own = row && row.querySelector(`[data-act="${CSS.escape(key)}"]`);
    const act = (own && (() => own.click())) || keys[key] || (link && (() => link.click()));
    if (act) { event.preventDefault(); act(); }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) $(`#${opener.dataset.open}`).showModal();
  });

  // An action that can't be undone asks once, naming the consequence.
  const ask = (words) => new Promise((resolve) => {
    const dialog = $("#confirm");
    $("#confirm-words").textContent = words;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });

  // Everything else waits ten seconds for "Undo"; leaving the page means it.
  const UNDO_MS = 10_000;
  const waiting = new Map();
  const send = (form, keepalive = false) => {
    const entry = waiting.get(form);
    if (!entry) return;
    waiting.delete(form); clearTimeout(entry.timer); entry.toast.remove();
    const { action, body } = entry;
    fetch(action, { method: "POST", body, keepalive, redirect: keepalive ? "manual" : "follow", headers: { accept: "text/html" } })
      .then((answer) => { if (!keepalive && !answer.ok) entry.failed(); })
      .catch(() => { if (!keepalive) entry.failed(); });
  };
  const postpone = (form, button) => {
    const toast = document.createElement("div");
    const words = document.createElement("span");
    const undo = document.createElement("button");
    const item = form.closest("[data-item]");
    toast.className = "toast"; words.textContent = button.dataset.undo; undo.type = "button"; undo.textContent = $("#toasts").dataset.undo;
    toast.append(words, undo); $("#toasts").append(toast);
    const data = new FormData(form, button);
    const entry = { toast, action: form.action, body: new URLSearchParams(data), timer: setTimeout(() => send(form), UNDO_MS) };
    const back = () => { if (item) { item.hidden = false; delete item.dataset.waiting; } };
    // It was refused or lost: it stands there again, and a sentence says so until it is read.
    entry.failed = () => {
      back();
      undo.remove(); words.textContent = $("#toasts").dataset.failed; $("#toasts").append(toast);
      setTimeout(() => toast.remove(), UNDO_MS);
    };
    if (item) { step(1); item.hidden = true; item.dataset.waiting = ""; }
    undo.addEventListener("click", () => { clearTimeout(entry.timer); waiting.delete(form); toast.remove(); back(); button.focus(); });
    waiting.set(form, entry);
  };
  addEventListener("pagehide", () => { for (const form of [...waiting.keys()]) send(form, true); });

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.dataset.agreed) return;
    if (button.dataset.confirm) {
      event.preventDefault();
      ask(button.dataset.confirm).then((yes) => {
        if (!yes) return;
        button.dataset.agreed = "yes";
        event.target.requestSubmit(button);
        delete button.dataset.agreed;
      });
    } else if (button.dataset.undo) {
      event.preventDefault();
      postpone(event.target, button);
    }
  });

  // A lost connection turns the live dot into a sentence; one that comes back at once is none.
  const PATIENCE_MS = 2_000;
  let losing = null;
  const live = (connected) => {
    const place = $("#live");
    if (!place || place.classList.contains("lost") === !connected) return;
    place.classList.toggle("lost", !connected);
    place.querySelector("span").textContent = connected ? place.dataset.live : place.dataset.lost;
  };
  const lose = () => { losing ??= setTimeout(() => live(false), PATIENCE_MS); };
  const find = () => { clearTimeout(losing); losing = null; live(true); };
  document.addEventListener("htmx:sseOpen", find);
  document.addEventListener("htmx:sseError", lose);
  document.addEventListener("htmx:sendError", lose);
  addEventListener("offline", lose);
  // Where a stream is open, it says itself when it is back.
  addEventListener("online", () => { if (!$("[sse-connect]")) fetch("/live").then(find, lose); });
  // The session ended: the page itself leads to the sign-in.
  document.addEventListener("htmx:responseError", (event) => { if ([401, 403].includes(event.detail.xhr.status)) location.reload(); });
})();
